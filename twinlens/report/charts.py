"""The pictures of a report, as small SVGs that take their colours from the page and keep their text as text.

Pictures in a row of a table are as wide as their column, their positions being shares of it, so that strokes and text
keep their size on a phone. The others have a size of their own, which the page may scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinlens.metrics import Bin
from twinlens.report.html import CHINESE, Content, Markup, Text, el

LINE: Final = 12
"""Height in pixels of one mark in a row."""
_QUARTERS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_SLANT: Final = math.radians(55)
_WIDEST: Final = 24
_STRONG: Final = 0.55
_STRONGEST: Final = 0.85
"""A cell tinted by more than these needs figures of the paper's colour, on dark paper and on light paper."""


class Mark(NamedTuple):
    """A figure with its interval, and the name of its colour: ``one`` or ``two``."""

    value: float | None
    interval: tuple[float, float] | None
    colour: str


def marks(found: Sequence[Mark], low: float = 0.0, high: float = 1.0) -> Markup:
    """Figures one below the other in a row of a table, a dot on the line of its interval each.

    :param low: what the left edge stands for.
    :param high: what the right edge stands for.
    """

    def at(value: float) -> str:
        return f"{100 * (min(max(value, low), high) - low) / (high - low):.2f}%"

    height = LINE * len(found) + 6
    drawn = []
    for index, mark in enumerate(found):
        y = 3 + LINE * index + LINE / 2
        if mark.interval is not None:
            ends = {"x1": at(mark.interval[0]), "x2": at(mark.interval[1])}
            drawn.append(el("line", **ends, y1=y, y2=y, class_=f"span {mark.colour}"))
        if mark.value is not None:
            drawn.append(el("circle", cx=at(mark.value), cy=y, r=4, class_=f"dot {mark.colour}"))
    return _row(height, *drawn)


def axis(ticks: Sequence[tuple[float, str]]) -> Markup:
    """What stands below a column of rows: positions as shares of the width, and what is written there."""
    drawn = []
    for share, label in ticks:
        anchor = "start" if share <= 0 else "end" if share >= 1 else "middle"
        kind = "inner" if 0 < share < 1 else None
        drawn.append(el("text", label, x=f"{share:.2%}", y=12, text_anchor=anchor, class_=kind))
    return _row(16, *drawn)


def bar(share: float, colour: str) -> Markup:
    """A bar in a row of a table: the share of the width that it fills."""
    return _row(LINE, el("rect", x=0, y=1, width=f"{share:.2%}", height=LINE - 2, rx=2, class_=f"bar {colour}"))


def strip(values: Sequence[float], high: float, median: float, p95: float, colour: str) -> Markup:
    """Measurements in a row of a table, a dot each, with lines at the median and at the 95th percentile.

    :param high: what the right edge stands for; dots beyond are not drawn.
    """
    # Spread over the height by the golden ratio: the same picture every time, and no two neighbours overlap.
    dots = [
        el("circle", cx=f"{value / high:.2%}", cy=5 + 18 * (index * 0.618034 % 1), r=2, class_=f"point {colour}")
        for index, value in enumerate(values)
        if value <= high
    ]
    lines = [
        el("line", x1=f"{value / high:.2%}", x2=f"{value / high:.2%}", y1=0, y2=28, class_=kind)
        for value, kind in ((median, "median"), (p95, "p95"))
        if value <= high
    ]
    return _row(28, el("line", x1=0, x2="100%", y1=14, y2=14, class_="grid"), *dots, *lines)


def reliability_diagram(bins: Sequence[Bin], x_label: Text, y_label: Text) -> Markup:
    """Accuracy by score, with the 95 % interval of each bin and how many photos it holds.

    :param bins: of equal width, from 0 to 1.
    """
    left, right, top, bottom, floor = 38, 350, 28, 340, 402
    most = max(each.n for each in bins)

    def x(share: float) -> float:
        return left + (right - left) * share

    def y(share: float) -> float:
        return bottom - (bottom - top) * share

    drawn = []
    for share in _QUARTERS:
        drawn += [
            el("line", x1=left, x2=right, y1=y(share), y2=y(share), class_="grid"),
            el("text", f"{share:.0%}", x=left - 6, y=y(share) + 4, text_anchor="end"),
            el("text", f"{share:.0%}", x=x(share), y=floor + 16, text_anchor="end" if share == 1 else "middle"),
        ]
    drawn.append(el("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="ideal"))
    for each in bins:
        if each.score is None or each.accuracy is None or each.interval is None:
            continue
        start, width = x(each.low) + 1, x(each.high) - x(each.low) - 2
        higher, lower = sorted((y(each.accuracy), y(each.score)))
        gap = "missing" if each.accuracy < each.score else "surplus"
        tall = (floor - bottom - 14) * each.n / most
        drawn += [
            el("rect", x=start, y=lower, width=width, height=bottom - lower, class_="bar one"),
            el("rect", x=start, y=higher, width=width, height=lower - higher, class_=gap),
            el("line", **_ends(x(each.score), y(each.interval[0]), y(each.interval[1])), class_="whisker"),
            el("rect", x=start, y=floor - max(tall, 1.0), width=width, height=max(tall, 1.0), class_="bar rest"),
        ]
    drawn += _text(x_label, x=(left + right) / 2, y=floor + 34, text_anchor="middle")
    drawn += _text(y_label, x=0, y=top - 16)
    return _picture(360, floor + 40, *drawn)


def matrix(counts: NDArray[np.integer], names: Sequence[Text], x_label: Text, y_label: Text) -> Markup:
    """A confusion matrix: a row for each right label, a column for each answered one.

    :param counts: array of shape (labels, labels).
    """
    size = len(counts)
    cell = 28.0 if size <= 12 else 22.0 if size <= 24 else 16.0
    font = min(11.0, cell * 0.55)
    style = f"font-size:{font:.1f}px"
    names = [Text(_shortened(name.en), _shortened(name.zh)) for name in names]
    lengths = [0.6 * font * max(_width(name.en), _width(name.zh)) for name in names]
    left, top, edge = 18 + max(lengths), 8 + math.sin(_SLANT) * max(lengths), cell * size
    # How far the slanted names of the last columns reach over the edge.
    over = max(math.cos(_SLANT) * length - cell * (size - index - 0.5) for index, length in enumerate(lengths))
    totals = counts.sum(axis=1)
    drawn = []
    for index, name in enumerate(names):
        middle = cell * (index + 0.5)
        drawn += _text(name, x=left - 5, y=top + middle + font * 0.36, text_anchor="end", style=style)
        turned = f"translate({left + middle + font * 0.2:.1f} {top - 5:.1f}) rotate(-{math.degrees(_SLANT):.0f})"
        drawn += _text(name, x=0, y=0, transform=turned, style=style)
    for row, column in np.argwhere(counts > 0):
        count, tint = int(counts[row, column]), math.sqrt(counts[row, column] / totals[row])
        x, y = left + cell * column, top + cell * row
        # A single mistake must be seen, so the weakest tint is well above the paper.
        if row == column:
            colour = {"class_": "cell right", "style": f"--tint:{15 + 85 * tint:.0f}%"}
            of_count = "count" + " strong" * (tint > _STRONG) + " strongest" * (tint > _STRONGEST)
        else:
            colour = {"class_": "cell wrong", "style": f"--tint:{15 + 40 * tint:.0f}%"}
            of_count = "count"
        drawn += [
            el("rect", x=x + 0.5, y=y + 0.5, width=cell - 1, height=cell - 1, rx=2, **colour),
            el(
                "text",
                count,
                x=x + cell / 2,
                y=y + cell / 2 + font * 0.36,
                text_anchor="middle",
                class_=of_count,
                style=style,
            ),
        ]
    drawn.append(el("rect", x=left, y=top, width=edge, height=edge, class_="frame"))
    drawn += _text(x_label, x=left + edge, y=top + edge + font + 6, text_anchor="end", style=style)
    turned = f"translate({font:.1f} {top + edge:.1f}) rotate(-90)"
    drawn += _text(y_label, x=0, y=0, transform=turned, style=style)
    return _picture(left + edge + max(over + font, 2), top + edge + font + 12, *drawn)


def curve(
    xs: Sequence[float], ys: Sequence[float], mark: tuple[float, float] | None, x_label: Text, y_label: Text
) -> Markup:
    """A line of shares against shares, with one point of it marked.

    The vertical scale begins at the lowest figure, rounded down to a tenth.
    """
    left, right, top, bottom = 44, 350, 28, 216
    low = min(math.floor(10 * min(ys)) / 10, 0.9)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * x, bottom - (bottom - top) * (y - low) / (1 - low)

    drawn = []
    for step in range(5):
        share, height = step / 4, low + (1 - low) * step / 4
        x, y = at(share, height)
        drawn += [
            el("line", x1=left, x2=right, y1=y, y2=y, class_="grid"),
            el("text", f"{height:.1%}", x=left - 6, y=y + 4, text_anchor="end"),
            el("text", f"{share:.0%}", x=x, y=bottom + 18, text_anchor="end" if step == 4 else "middle"),
        ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, xs, ys))
    drawn.append(el("polyline", points=points, class_="curve"))
    if mark is not None:
        x, y = at(*mark)
        drawn += [
            el("line", x1=x, x2=x, y1=top, y2=bottom, class_="ideal"),
            el("circle", cx=x, cy=y, r=5, class_="dot two"),
        ]
    drawn += _text(x_label, x=(left + right) / 2, y=bottom + 38, text_anchor="middle")
    drawn += _text(y_label, x=0, y=top - 16)
    return _picture(360, bottom + 44, *drawn)


def ceiling(value: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below a value: where an axis may end."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= value * (1 - 1e-9))


def _row(height: int, *drawn: Content) -> Markup:
    return el("svg", *drawn, class_="row", width="100%", height=height, aria_hidden="true")


def _picture(width: float, height: float, *drawn: Content) -> Markup:
    style = f"--width:{math.ceil(width)}px"
    return el("svg", *drawn, class_="picture", viewBox=f"0 0 {width:.0f} {height:.0f}", style=style, aria_hidden="true")


def _text(content: Text, **attributes: str | float) -> list[Markup]:
    if content.en == content.zh:
        return [el("text", content.en, **attributes)]
    return [
        el("text", text, **attributes, lang=language) for language, text in (("en", content.en), (CHINESE, content.zh))
    ]


def _ends(x: float, y1: float, y2: float) -> dict[str, float]:
    return {"x1": x, "x2": x, "y1": y1, "y2": y2}


def _width(text: str) -> float:
    """About how wide a name is, in letters; a Chinese character is as wide as two."""
    return sum(map(_letters, text))


def _shortened(name: str) -> str:
    """A name as wide as 24 letters at most."""
    if _width(name) <= _WIDEST:
        return name
    widths = accumulate(map(_letters, name))
    return name[: sum(width < _WIDEST for width in widths)] + "…"


def _letters(character: str) -> int:
    return 2 if ord(character) > 0x2E7F else 1
