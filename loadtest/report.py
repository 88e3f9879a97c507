"""The report: what ``docs/results/loadtest.json`` holds, as one page that answers a team's question.

``python -m loadtest.report RESULT.json PAGE.html`` makes it anew from a result file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from loadtest.calibration import TOO_FAST
from loadtest.tables import (
    DEVICES,
    NETWORKS,
    WAYS,
    Row,
    load_section,
    name_of,
    network_section,
    of_kind,
    short,
    unbroken,
    visitors_section,
)
from twinlens.report.html import SPACE, Content, Markup, Text, both, el
from twinlens.report.page import facts, figure, page, remarks, section, table, tiles
from twinlens.store import write_atomically

_REASONS: Final = {TOO_FAST: Text(TOO_FAST, "设备没有达到应有的慢速")}


def render(content: Row) -> bytes:
    """The page.

    :param content: a result file of the load test.
    :return: HTML in UTF-8.
    """
    rows: Sequence[Row] = content["rows"]
    return page(
        Text("Server or device: the load test", "服务器还是设备：负载测试"),
        _lead(content),
        [
            _summary(content),
            _wins(content, rows),
            *(
                network_section(network, of_kind(rows, "cell", network=network["name"]))
                for network in content["networks"]
            ),
            load_section(of_kind(rows, "load")),
            visitors_section(of_kind(rows, "visitors")),
            _how(content, rows),
        ],
    )


def _lead(content: Row) -> list[Content]:
    machine, photos, model = content["machine"], content["photos"], content["model"]
    return [
        el(
            "p",
            both(
                "Is it better to send photos to a server or to let the visitor's browser answer? {model} {version}, "
                "visits of {count} photos, {phone} of them of 12 megapixels.",
                "应把照片发送到服务器，还是让访问者的浏览器来回答？{model} {version}，每次访问 {count} 张照片，"
                "其中 {phone} 张为 1200 万像素。",
                model=model["name"],
                version=model["version"],
                count=photos["of_a_visit"],
                phone=photos["phone"],
            ),
        ),
        el(
            "p",
            both(
                "Server, browser, lines and load shared one machine: {cpu}, {cores} cores. Figures of a browser that "
                "is held back stand for a slower device of the same kind, not for a certain phone.",
                "服务器、浏览器、模拟线路与负载共用一台机器：{cpu}，{cores} 核。受限浏览器的数据代表同类的较慢设备，"
                "并非某一款手机。",
                cpu=machine["cpu"],
                cores=machine["cores"],
            ),
            class_="notice",
        ),
    ]


def _summary(content: Row) -> Markup:
    values = {goal["name"]: goal["value"] for goal in content["goals"]}
    per_million = {row["way"]: row["cost_per_million"] for row in of_kind(content["rows"], "cell")}
    found: list[tuple[Content, Content, Content]] = [
        (
            both("Wrong answers", "错误回答"),
            f"{values['wrong_answers']:g}",
            both("of pages and locust's users, against the golden labels", "网页与 locust 用户的回答，对照标准标签"),
        ),
        (
            both("Cells not filled", "未测得的单元"),
            f"{values['cells_unfilled']:g}",
            both(
                "of {n} cells and runs",
                "共 {n} 个单元与运行",
                n=len(of_kind(content["rows"], "cell") + of_kind(content["rows"], "load")),
            ),
        ),
        (
            both("Server cost of a million photos", "一百万张照片的服务器费用"),
            short(per_million.get("original")),
            both(
                "at {price} a core-hour; shrunk first: {shrunk}; on the device: {device}",
                "每核时 {price}；先缩小：{shrunk}；在设备上：{device}",
                price=f"{content['core_hour']:g}",
                shrunk=short(per_million.get("shrunk")),
                device=short(per_million.get("device")),
            ),
        ),
    ]
    return tiles(found)


def _wins(content: Row, rows: Sequence[Row]) -> Markup:
    def cell(network: str, device: str, against: str, visit: str) -> Content:
        found = of_kind(rows, "win", network=network, device=device, against=against, visit=visit)
        if not found or found[0]["how"] == "not measured":
            return both("not measured", "未测得")
        number, how = found[0]["from_photos"], found[0]["how"]
        said: Content = both("never", "从不") if number is None else both("from {n}", "第 {n} 张起", n=f"{number:,}")
        return [said, "*" if how == "modelled" else None]

    body: list[list[Content]] = [
        [
            unbroken(name_of(NETWORKS, network["name"]), " · ", name_of(DEVICES, device["name"])),
            *(
                cell(network["name"], device["name"], against, visit)
                for visit in ("first", "second")
                for against in ("original", "shrunk")
            ),
        ]
        for network in content["networks"]
        for device in content["devices"]
    ]
    head: list[Content] = [
        both("Line and device", "线路与设备"),
        both("first visit, as they are", "首次访问，原始"),
        both("first visit, shrunk", "首次访问，缩小"),
        both("second visit, as they are", "再次访问，原始"),
        both("second visit, shrunk", "再次访问，缩小"),
    ]
    caption = both(
        "The number of photos from which a visit on the device is over no later than one to the server, which is sent "
        "the photos as they are or shrunk. A star: modelled from the first answer and the pace of the answers.",
        "从第几张照片起，在设备上的访问不晚于发送照片（原始或缩小）给服务器的访问。带星号者由首个回答与回答速度推算。",
    )
    return section(both("When the device wins", "设备何时更快"), figure(table(head, body), caption, scroll=True))


def _how(content: Row, rows: Sequence[Row]) -> Markup:
    machine = content["machine"]
    fair: list[Content] = [
        both(
            "The same photos in the same order for every way, with golden answers computed beforehand by the server's "
            "code; the same decode rules and the same resize everywhere.",
            "各方式使用相同照片、相同顺序，标准答案由服务器代码预先算出；解码规则与缩放处处相同。",
        ),
        both(
            "First and second visits are apart. Uploads, headers, the page and the model are counted as they went "
            "through the line; nothing is compressed on the way, and there is no TLS.",
            "首次与再次访问分开统计。上传、报文头、页面与模型均按实际经过线路的字节计数；传输不压缩，也没有 TLS。",
        ),
        both(
            "The line is one proxy with a rate and a delay each way, for Chromium and for locust alike. Loss and slow "
            "start are not modelled.",
            "线路由同一个限速加延迟的代理模拟，Chromium 与 locust 共用。不模拟丢包与慢启动。",
        ),
        both(
            "A slower device is the whole browser, every thread, held to a share of one core; a loop in a worker had "
            "to show the factor within 15%.",
            "较慢设备是把整个浏览器（所有线程）限制在单核的一定份额；worker 中的循环须显示倍率误差在 15% 以内。",
        ),
        both(
            "The server's deadline of a request, 30 seconds by default, is an hour here: on slow 3G it would cut off "
            "the upload of a 12-megapixel photo.",
            "服务器对每个请求的时限（默认 30 秒）在此放宽为一小时：否则在慢速 3G 上，1200 万像素照片的上传会被中断。",
        ),
        both(
            "The shrunk photo is the contract's resize as lossless WebP, or the photo itself where that is smaller; "
            "largest difference of a score: {difference}.",
            "缩小的照片按契约缩放并存为无损 WebP；若原图更小则发送原图。分数最大差异：{difference}。",
            difference=_difference(rows),
        ),
    ]
    return section(
        both("How this was measured", "测量方法"),
        el("ul", [el("li", each) for each in fair]),
        remarks(both("Not measured, and why:", "未测得的单元及原因："), list(_missing(rows))),
        facts(
            [
                (both("Command", "命令"), el("code", content["command"])),
                (both("Commit", "提交"), el("code", content["commit"][:12])),
                (
                    both("Machine", "机器"),
                    f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}",
                ),
                (both("Versions", "版本"), ", ".join(f"{name} {value}" for name, value in machine["versions"].items())),
            ]
        ),
        el(
            "p",
            both("The figures are in loadtest.json beside this page.", "数据在本页旁的 loadtest.json 中。"),
            SPACE,
            both("docs/loadtest.md says how to run it.", "运行方法见 docs/loadtest.md。"),
        ),
    )


def _missing(rows: Sequence[Row]) -> Iterator[Content]:
    for row in of_kind(rows, "cell", measured=False):
        where: list[Content] = [
            name_of(NETWORKS, row["network"]),
            " · ",
            name_of(DEVICES, row["device"]),
            " · ",
            name_of(WAYS, row["way"]),
        ]
        yield [where, ": ", _REASONS.get(row["missing"][0], row["missing"][0])]
    for row in of_kind(rows, "load", kept_thresholds=False):
        yield [name_of(NETWORKS, row["network"]), " · ", name_of(WAYS, row["way"]), ": locust"]


def _difference(rows: Sequence[Row]) -> str:
    found = [row["score_difference_max"] for row in of_kind(rows, "cell", way="shrunk")]
    return short(max((value for value in found if value is not None), default=None))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the page anew; status 2 for wrong arguments."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) != 2:
        sys.stderr.write("usage: python -m loadtest.report RESULT.json PAGE.html\n")
        return 2
    source, target = map(Path, given)
    write_atomically(target, render(json.loads(source.read_bytes())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
