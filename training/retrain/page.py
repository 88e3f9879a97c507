"""The report of a retraining: what the gate says, then the model in use and the candidate side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from training.retrain.gate import Verdict, heading
from twinlens.classifier import Classifier
from twinlens.compare.differ import COLOURS
from twinlens.compare.measure import SIDES
from twinlens.compare.page import sections
from twinlens.compare.photos import Photos
from twinlens.report import page
from twinlens.report.html import Content, Markup, Text, both, el
from twinlens.report.page import key, section

_OUTCOMES: Final = {
    "published": Text("Published", "已发布"),
    "refused": Text("Refused", "已拒绝"),
    "passed": Text("Passed, and not published (--dry-run)", "通过，但未发布（--dry-run）"),
}
_PASSED: Final = {True: Text("yes", "是"), False: Text("no", "否"), None: Text("not judged", "未判断")}


def render(
    record: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    compared: Sequence[tuple[Text, Mapping[str, Any], Photos]],
    classifiers: Sequence[Classifier],
) -> bytes:
    """The page.

    :param record: what ``retrain.json`` holds.
    :param verdicts: of the gate, in the order that they are shown in.
    :param compared: a heading, what :func:`twinlens.compare.measure.measure` gave, and the photos, for each set of
        photos; none where there is no candidate to compare.
    :param classifiers: the model in use and the candidate.
    :return: HTML in UTF-8.
    """
    title = both("{name}: retrained", "{name}：重新训练", name=record["model"])
    parts: list[Content] = [_gate(verdicts)]
    for number, (what, result, photos) in enumerate(compared):
        parts.append(section(what, el("p", both("{n} photos.", "{n} 张照片。", n=result["n"]))))
        parts += sections(result, photos, classifiers, bills=number == 0)
    return page.page(title, _lead(record), parts)


def _lead(record: Mapping[str, Any]) -> Content:
    data = record["data"]
    learned = both(
        "Learned from {train} photos; {reviewed} photos were reviewed since, and {held} are held out. {date}.",
        "用 {train} 张照片训练；其间新复核 {reviewed} 张，另有 {held} 张留出。{date}。",
        train=data["counts"].get("train", 0),
        reviewed=data["new_reviews"],
        held=data["counts"].get("held-out", 0),
        date=record["date"][:10],
    )
    models = [
        el("p", key(COLOURS[side], _which(side, record[name])))
        for side, name in zip(SIDES, ("in_use", "candidate"), strict=True)
        if record[name] is not None
    ]
    outcome = el("p", el("strong", _OUTCOMES[record["outcome"]]))
    return [outcome, *models, el("p", learned)]


def _which(side: str, model: Mapping[str, Any]) -> Text:
    if side == SIDES[0]:
        return both("A, in use: {version}", "A，当前使用：{version}", version=model["version"])
    return both("B, the candidate: {version}", "B，候选：{version}", version=model["version"])


def _gate(verdicts: Sequence[Verdict]) -> Markup:
    rows: list[list[Content]] = [[heading(each.name), _PASSED[each.passed], each.text] for each in verdicts]
    head: list[Content] = [both("The gate", "关卡"), both("passed", "通过"), both("what was found", "结果")]
    refused = [each for each in verdicts if each.passed is False]
    said = (
        both("{n} of these speak against it.", "其中 {n} 项不通过。", n=len(refused))
        if refused
        else both("Nothing speaks against it.", "没有不通过的项目。")
    )
    return section(both("May it be published?", "可以发布吗？"), el("p", said), page.table(head, rows))
