"""The report's tables: a section for each line, the server under load, and more visitors than there were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.scaling import UTILISATION
from loadtest import chart
from loadtest.model import NTH, VISIT_SECONDS
from twinlens.report.html import Content, Markup, Text, both, el
from twinlens.report.page import figure, key, section, size, table

Row = Mapping[str, Any]
WAYS: Final = {
    "device": Text("on the device", "在设备上"),
    "original": Text("server, photo as it is", "服务器，原始照片"),
    "shrunk": Text("server, photo shrunk first", "服务器，先缩小照片"),
}
COLOURS: Final = {"device": "one", "original": "two", "shrunk": "ink"}
DEVICES: Final = {
    "desktop": Text("desktop", "桌面电脑"),
    "phone": Text("phone", "手机"),
    "slow-phone": Text("slow phone", "慢速手机"),
}
NETWORKS: Final = {
    "fibre": Text("Fibre", "光纤"),
    "4g": Text("4G", "4G"),
    "slow-3g": Text("Slow 3G", "慢速 3G"),
}
_DASH: Final = "–"


def network_section(network: Row, cells: Sequence[Row]) -> Markup:
    """One line: its picture, and a row of figures for each device and way."""
    devices = list(dict.fromkeys(row["device"] for row in cells))
    panels = [
        (
            name_of(DEVICES, device),
            [
                chart.Line(*_line(row), COLOURS[row["way"]])
                for row in cells
                if row["device"] == device and row["answers_ms"]
            ],
        )
        for device in devices
    ]
    caption: list[Content] = [
        el("div", [[key(COLOURS[way], name), " "] for way, name in WAYS.items()]),
        both(
            "Seconds from the start of a first visit to each answer; dashed: modelled.",
            "从首次访问开始到每个回答的秒数；虚线为推算。",
        ),
    ]
    drawn = chart.arrivals(
        panels,
        Text("number of the answer", "第几个回答"),
        Text("seconds since the visit began", "访问开始后的秒数"),
    )
    line = both(
        "{down} Mbit/s down, {up} Mbit/s up, {rtt} ms there and back.",
        "下行 {down} Mbit/s，上行 {up} Mbit/s，往返 {rtt} ms。",
        down=f"{network['down_kbps'] / 1000:g}",
        up=f"{network['up_kbps'] / 1000:g}",
        rtt=network["rtt_ms"],
    )
    head: list[Content] = [
        both("Device and way", "设备与方式"),
        both("1st answer", "首个回答"),
        both("100th", "第 100 个"),
        both("2nd visit, 1st", "再访，首个"),
        both("photo, median", "单张，中位数"),
        both("95th pct.", "95 百分位"),
        both("up a photo", "每张上行"),
        both("down a photo", "每张下行"),
        both("page", "页面"),
        both("server CPU a photo", "每张服务器 CPU"),
        both("cost of a million", "百万张费用"),
    ]
    below = both(
        "A star: modelled. A double dagger: the cell counts as not measured; the reason stands below.",
        "星号：推算所得。双剑号：该单元视为未测得，原因见下文。",
    )
    return section(
        name_of(NETWORKS, network["name"]),
        el("p", line, class_="quiet"),
        figure(drawn, caption, scroll=True),
        figure(table(head, [_cell(row) for row in cells]), below, scroll=True),
    )


def _cell(row: Row) -> list[Content]:
    star = "*" if row["hundredth"] == "modelled" else ""
    return [
        unbroken(name_of(DEVICES, row["device"]), ": ", name_of(WAYS, row["way"]), " ‡" * (not row["measured"])),
        _seconds(row["first_s"]),
        _seconds(row["hundredth_s"]) + (star if row["hundredth_s"] is not None else ""),
        _seconds(row["warm_first_s"]),
        f"{short(row['p50_ms'])} ms",
        f"{short(row['p95_ms'])} ms",
        _bytes(row["bytes_up_per_photo"]),
        _bytes(row["bytes_down_per_photo"]),
        _bytes(row["page_bytes"]),
        _DASH if row["server_cpu_ms_per_photo"] is None else f"{short(row['server_cpu_ms_per_photo'])} ms",
        short(row["cost_per_million"]),
    ]


def _line(row: Row) -> tuple[list[float], int]:
    """The answers of a cell with the hundredth, which a visit that was cut off has from the model."""
    times = sorted(row["answers_ms"])[:NTH]
    measured = len(times)
    if measured < NTH and row["hundredth_s"] is not None:
        step = (1000 * row["hundredth_s"] - times[-1]) / (NTH - measured)
        times += [times[-1] + step * (index + 1) for index in range(NTH - measured)]
    return times, measured


def load_section(rows: Sequence[Row]) -> Markup:
    """What locust saw."""
    head: list[Content] = [
        both("Line and way", "线路与方式"),
        both("users", "用户"),
        both("answers", "回答"),
        both("a second", "每秒"),
        both("median", "中位数"),
        both("95th pct.", "95 百分位"),
        both("failed", "失败"),
        both("wrong", "错误"),
    ]
    body: list[list[Content]] = [
        [
            unbroken(name_of(NETWORKS, row["network"]), ": ", name_of(WAYS, row["way"])),
            row["users"],
            row["answers"],
            short(row["per_second"]),
            f"{short(row['p50_ms'])} ms",
            f"{short(row['p95_ms'])} ms",
            row["failed"],
            row["wrong"],
        ]
        for row in rows
    ]
    caption = both(
        "Locust's users, each connection on a line of its own (a burst has six): most send one photo at a time, some a "
        "burst, some photos of 12 megapixels. Every answer was checked against the golden label.",
        "locust 用户的每个连接各有自己的线路（成批发送时有六个）："
        "多数每次发送一张，部分成批发送，部分发送 1200 万像素照片。"
        "每个回答都与标准标签核对。",
    )
    return section(both("The server under load", "负载下的服务器"), figure(table(head, body), caption, scroll=True))


def visitors_section(rows: Sequence[Row]) -> Markup:
    """What a server would need for more visitors."""
    numbers = list(dict.fromkeys(row["visitors"] for row in rows))
    found = {(row["visitors"], row["way"]): row for row in rows}
    body: list[list[Content]] = [
        [
            f"{number:,}",
            *(
                f"{_small(row['cores'])} · {_small(row['cost_per_hour'])}"
                if (row := found.get((number, way)))
                else _DASH
                for way in WAYS
            ),
        ]
        for number in numbers
    ]
    caption = both(
        "Modelled, not measured: cores that the server needs, and their price for an hour, while each visitor sends "
        "{nth} photos within {minutes} minutes and the server is used to {share}%. Each visitor has a device of their "
        "own, so that the times on the device stay as they are above, however many there are.",
        "此表为推算，并非测量：每位访问者在 {minutes} 分钟内发送 {nth} 张照片、服务器利用率 {share}% 时，"
        "所需的核数与每小时费用。每位访问者都有自己的设备，因此无论人数多少，设备端的时间与上文相同。",
        nth=NTH,
        minutes=f"{VISIT_SECONDS / 60:g}",
        share=f"{100 * UTILISATION:g}",
    )
    return section(
        both("More visitors (modelled)", "更多访问者（推算）"),
        figure(table([both("Visitors at once", "同时访问者"), *WAYS.values()], body), caption, scroll=True),
    )


def of_kind(rows: Sequence[Row], kind: str, **wanted: Any) -> list[Row]:
    """The rows of a kind that have these values."""
    return [row for row in rows if row["kind"] == kind and all(row[name] == value for name, value in wanted.items())]


def name_of(names: Mapping[str, Text], name: str) -> Text:
    """A name as people are shown it."""
    return names.get(name, Text(name, name))


def unbroken(*words: Content) -> Markup:
    """What stays on one line; its table scrolls."""
    return el("span", words, style="white-space:nowrap")


def _small(value: float) -> str:
    return "< 0.01" if value < 0.01 else short(value)


def _seconds(value: float | None) -> str:
    return _DASH if value is None else f"{value:.2f} s" if value < 10 else f"{value:,.0f} s"


def _bytes(value: float | None) -> str:
    return _DASH if value is None else size(max(round(value), 0))


def short(value: float | None) -> str:
    """A figure with three digits; a dash where there is none."""
    return _DASH if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
