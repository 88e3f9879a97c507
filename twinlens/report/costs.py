"""The section on what a model costs: bytes on the wire and milliseconds a photo, for one model or for several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from twinlens.report import charts
from twinlens.report.html import Content, Markup, Text, both, el
from twinlens.report.page import figure, key, section, size, table

_EXPORTS: Final = {
    "onnx": Text("server (ONNX)", "服务器（ONNX）"),
    "tfjs": Text("page (TensorFlow.js)", "网页（TensorFlow.js）"),
}
_STEPS: Final = {
    "photo": Text("whole way, from file to answer", "全程，从文件到答案"),
    "network": Text("network alone", "仅网络"),
}
_ON_PAGE: Final = {
    "photo": Text("page: whole way, from file to answer", "网页：全程，从文件到答案"),
    "network": Text("page: network alone", "网页：仅网络"),
}


class Cost(NamedTuple):
    """What one model costs, under the name and the colour that it has in the report."""

    name: Content
    colour: str
    exports: Mapping[str, Mapping[str, int]]
    """As :func:`twinlens.footprint.export_sizes` gives it."""
    latency: Mapping[str, Mapping[str, Any]]
    """As :func:`twinlens.footprint.latencies` gives it."""
    page: Mapping[str, Any] | None = None
    """The same of the page, with ``backend``, ``browser``, and ``not_measured``: a reason, or ``None``."""


def costs(models: Sequence[Cost], machine: Mapping[str, Any]) -> Markup:
    """The section.

    :param machine: as :func:`twinlens.footprint.machine` gives it.
    """
    return section(both("Size and speed", "体积与速度"), _sizes(models), _times(models, machine))


def _sizes(models: Sequence[Cost]) -> Markup:
    most = max(each["bytes"] for model in models for each in model.exports.values())
    rows = [
        [
            _named(what, model, models),
            charts.bar(model.exports[export]["bytes"] / most, model.colour),
            size(model.exports[export]["bytes"]),
            size(model.exports[export]["gzip_bytes"]),
        ]
        for export, what in _EXPORTS.items()
        for model in models
    ]
    head = [both("Export", "导出"), None, both("size", "大小"), both("gzipped", "gzip 后")]
    return figure(table(head, rows))


def _times(models: Sequence[Cost], machine: Mapping[str, Any]) -> Content:
    found = [(what, model, model.latency[step]) for step, what in _STEPS.items() for model in models]
    pages = [(model, model.page) for model in models if model.page is not None]
    timed = [(model, page) for model, page in pages if page["not_measured"] is None]
    found += [(what, model, page[step]) for step, what in _ON_PAGE.items() for model, page in timed]
    high = charts.ceiling(1.1 * max(latency["p95_ms"] for _, _, latency in found))
    rows = [
        [
            _named(what, model, models),
            charts.strip(latency["all_ms"], high, latency["median_ms"], latency["p95_ms"], model.colour),
            f"{latency['median_ms']:.1f} ms",
            f"{latency['p95_ms']:.1f} ms",
        ]
        for what, model, latency in found
    ]
    head = [both("One photo at a time", "逐张处理"), None, both("median", "中位数"), both("95th pct.", "95 百分位")]
    foot = [None, charts.axis([(0, "0"), (0.5, f"{high / 2:g}"), (1, f"{high:g} ms")]), None, None]
    beyond = sum(value > high for _, _, latency in found for value in latency["all_ms"])
    caption = both(
        "ONNX Runtime {version} on this machine ({processor}, {cores} cores), {rounds} photos each. A dot is a photo, "
        "the line the median, the dashed line the 95th percentile; {beyond} took longer than the scale shows. Whatever "
        "else the machine was doing is in these figures.",
        "本机（{processor}，{cores} 核）上的 ONNX Runtime {version}，各 {rounds} 张。每个点是一张照片，实线为中位数，"
        "虚线为第 95 百分位，超出刻度的有 {beyond} 张。机器当时的其他负载也计入在内。",
        version=machine["onnxruntime"],
        processor=machine["processor"],
        cores=machine["cores"],
        rounds=len(found[0][2]["all_ms"]),
        beyond=beyond,
    )
    return [figure(table(head, rows, foot), caption), *(_page(page) for _, page in pages)]


def _page(page: Mapping[str, Any]) -> Markup:
    """What is to be known of the page's times."""
    if page["not_measured"] is not None:
        said = both("The page was not timed: {reason}", "未测量网页用时：{reason}", reason=page["not_measured"])
    else:
        said = both(
            "The page ran in {browser} on this machine, on the {backend} backend with one thread.",
            "网页在本机的 {browser} 中运行，使用单线程的 {backend} 后端。",
            browser=page["browser"],
            backend=page["backend"],
        )
    return el("p", said, class_="quiet")


def _named(what: Text, model: Cost, models: Sequence[Cost]) -> Content:
    """What a row is of; where there are several models, which one as well."""
    return what if len(models) == 1 else [el("div", what), el("div", key(model.colour, model.name), class_="quiet")]
