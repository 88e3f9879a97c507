"""The picture of the pages: how long the first answer takes through the line, and a warm photo."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.page.plan import OURS, TITLES

_OURS_COLOUR: Final = "#1f6feb"
_PEER_COLOUR: Final = "#8b949e"
_LIGHT: Final = 0.45


def draw(rows: Sequence[Mapping[str, Any]], line: str, threads: int) -> bytes:
    """Draw the result.

    :param rows: the rows of the result.
    :param line: what the slow line is called.
    :param threads: of the second warm figure.
    :return: the bytes of a PNG.
    """
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    first, warm = figure.subplots(1, 2)
    _bars(first, rows, (("line_ms", line), ("direct_ms", "without the line")), 1000.0)
    first.set_title("Seconds to the first answer, empty cache", fontsize=10)
    _bars(warm, rows, (("warm_ms", "one thread"), ("warm_threads_ms", f"{threads} threads")), 1.0)
    warm.set_title("Milliseconds for a photo once warm", fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _bars(axes: Axes, rows: Sequence[Mapping[str, Any]], kinds: Sequence[tuple[str, str]], per: float) -> None:
    """Two bars for each page, whiskers from the 10th to the 90th percentile of the rounds."""
    for y, row in enumerate(rows):
        colour = _OURS_COLOUR if row["page"] == OURS else _PEER_COLOUR
        for at, (name, _) in enumerate(kinds):
            place = y + (at - 0.5) * 0.4
            if row[name] is None:
                axes.text(0, place, " not measured", va="center", fontsize=8, color="0.4")
                continue
            middle, low, high = (row[key] / per for key in (name, f"{name}_p10", f"{name}_p90"))
            axes.barh(place, middle, 0.36, color=colour, alpha=_LIGHT if at else 1.0)
            whiskers = [[max(middle - low, 0)], [max(high - middle, 0)]]
            axes.errorbar(middle, place, xerr=whiskers, color="0.15", capsize=3, linewidth=1)
            axes.annotate(
                f"{middle:.3g}", (max(middle, high), place), (5, 0), textcoords="offset points", va="center", fontsize=9
            )
    axes.set_yticks(range(len(rows)), [TITLES[row["page"]] for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.14)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"dark: {kinds[0][1]}; light: {kinds[1][1]}", fontsize=9)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
