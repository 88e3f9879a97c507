"""The picture of the report: when each answer of a first visit came, by way, a panel for each class of device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from loadtest.model import NTH
from twinlens.report.html import CHINESE, Content, Markup, Text, el

_PANEL, _GAP, _TOP, _HEIGHT, _LEFT = 200, 18, 44, 170, 40
_XS: Final = (1, 3, 10, 30, 100)


class Line(NamedTuple):
    """One way's answers: their milliseconds in order, the first ``measured`` of them measured, and its colour."""

    times: Sequence[float]
    measured: int
    colour: str


def arrivals(panels: Sequence[tuple[Text, Sequence[Line]]], x_label: Text, y_label: Text) -> Markup:
    """Seconds against the number of the answer, both scales logarithmic; what is modelled is dashed.

    :param panels: the name of each with its lines.
    """
    times = [time for _, lines in panels for line in lines for time in line.times]
    low = math.floor(math.log10(min(times, default=1000.0) / 1000))
    high = max(math.ceil(math.log10(max(times, default=1000.0) / 1000)), low + 1)
    drawn: list[Content] = list(_words(y_label, x=0, y=10))
    for index, (name, lines) in enumerate(panels):
        left = _LEFT + index * (_PANEL + _GAP)
        drawn += _panel(left, name, lines, low, high, ticks=index == 0)
    width = _LEFT + len(panels) * (_PANEL + _GAP)
    drawn += _words(x_label, x=width / 2, y=_TOP + _HEIGHT + 34, text_anchor="middle")
    box = f"0 0 {width} {_TOP + _HEIGHT + 40}"
    return el("svg", *drawn, class_="picture", viewBox=box, style=f"--width:{width}px", aria_hidden="true")


def _panel(left: float, name: Text, lines: Sequence[Line], low: int, high: int, *, ticks: bool) -> list[Content]:
    def x(number: float) -> float:
        return left + _PANEL * math.log(number) / math.log(NTH)

    def y(milliseconds: float) -> float:
        share = (math.log10(max(milliseconds, 1e-3) / 1000) - low) / (high - low)
        return _TOP + _HEIGHT * (1 - share)

    drawn: list[Content] = []
    for power in range(low, high + 1):
        height = y(1000 * 10.0**power)
        drawn.append(el("line", x1=left, x2=left + _PANEL, y1=height, y2=height, class_="grid"))
        if ticks:
            drawn.append(el("text", f"{10.0**power:g} s", x=left - 6, y=height + 4, text_anchor="end"))
    for number in _XS:
        anchor = "end" if number == _XS[-1] else "start" if number == 1 else "middle"
        drawn.append(el("text", number, x=x(number), y=_TOP + _HEIGHT + 16, text_anchor=anchor))
    drawn += _words(name, x=left + _PANEL / 2, y=_TOP - 6, text_anchor="middle")
    for line in lines:
        points = [f"{x(index + 1):.1f},{y(time):.1f}" for index, time in enumerate(line.times)]
        style = {"fill": "none", "class_": f"span {line.colour}"}
        solid, dashed = points[: line.measured], points[max(line.measured - 1, 0) :]
        drawn.append(el("polyline", points=" ".join(solid), **style))
        if len(dashed) > 1:
            drawn.append(el("polyline", points=" ".join(dashed), stroke_dasharray="4 4", **style))
    return drawn


def _words(content: Text, **attributes: str | float) -> list[Markup]:
    words: Mapping[str, str] = {"en": content.en, CHINESE: content.zh}
    if content.en == content.zh:
        return [el("text", content.en, **attributes)]
    return [el("text", text, **attributes, lang=language) for language, text in words.items()]
