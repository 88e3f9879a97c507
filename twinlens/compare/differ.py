"""The section on the photos that two models answer differently, by which of the two is right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twinlens.classifier import Classifier
from twinlens.compare.measure import SIDES
from twinlens.compare.photos import Photos
from twinlens.report import page
from twinlens.report.html import Content, Markup, Text, both, el
from twinlens.report.page import key, percent, section
from twinlens.report.pictures import thumbnail

COLOURS: Final = {"a": "one", "b": "two"}
"""The names of the colours that the two models have throughout the page."""
_MOST_IN_GROUP: Final = 24


def differ(result: Mapping[str, Any], photos: Photos, classifier: Classifier, names: Mapping[str, Text]) -> Markup:
    """The section.

    :param result: what :func:`twinlens.compare.measure.measure` gave.
    :param photos: the photos that it was measured on.
    :param classifier: the model through whose eyes the photos are shown.
    :param names: what people are shown of each label.
    """
    groups: list[tuple[Text, list[Mapping[str, Any]]]]
    if result["paired"] is None:
        groups = [(both("The surest first", "最有把握的在前"), result["differ"])]
    else:
        right = {
            (True, False): both("Only A is right", "只有 A 对"),
            (False, True): both("Only B is right", "只有 B 对"),
            (False, False): both("Both are wrong, in different ways", "两者都错，但答案不同"),
        }
        groups = [
            (heading, [each for each in result["differ"] if _rightness(each) == kind])
            for kind, heading in right.items()
        ]
    files = {photos.name(photo): photo.path for photo in photos.photos}
    shown: list[Content] = []
    for heading, members in groups:
        if not members:
            continue
        cards = [_card(each, files[each["photo"]], classifier, names) for each in members[:_MOST_IN_GROUP]]
        shown += [el("h3", heading, " ", el("span", len(members), class_="quiet")), page.photos(cards, single=True)]
        if len(members) > _MOST_IN_GROUP:
            left = len(members) - _MOST_IN_GROUP
            more = both("--json lists the other {n} too.", "--json 还会列出其余 {n} 张。", n=left)
            shown.append(el("p", more, class_="quiet"))
    if not shown:
        shown = [el("p", both("There is none: every photo gets one answer.", "没有：两者的回答全都相同。"))]
    return section(both("The photos on which they differ", "两者回答不同的照片"), shown)


def _rightness(found: Mapping[str, Any]) -> tuple[bool, bool]:
    return found["a"]["label"] == found["label"], found["b"]["label"] == found["label"]


def _card(found: Mapping[str, Any], file: Path, classifier: Classifier, names: Mapping[str, Text]) -> Markup:
    pixels = classifier.pixels(classifier.read_header(file.read_bytes()))
    answers: list[tuple[Content, Content, bool | None]] = []
    if found["label"] is not None:
        answers.append((both("right: {label}", "正确：{label}", label=names[found["label"]]), None, None))
    for side in SIDES:
        answer = found[side]
        wrong = None if found["label"] is None else answer["label"] != found["label"]
        answers.append((key(COLOURS[side], names[answer["label"]]), percent(answer["score"]), wrong))
    return page.photo([thumbnail(pixels)], found["photo"], answers)
