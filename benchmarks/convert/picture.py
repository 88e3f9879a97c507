"""The picture of the conversion: which network runs where, how long the conversion takes, how fast the result is."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogFormatter

from benchmarks.convert.row import ROUTES, TOLERANCE
from browser.tfjs import BACKENDS

_COLOURS: Final = dict(zip(ROUTES, ("#1f6feb", "#d1640a"), strict=True))
_NAMES: Final = dict(zip(ROUTES, ("direct writer", "official route"), strict=True))
_STATES: Final = {"right": "#2c8a43", "wrong numbers": "#c9a400", "does not run": "#c43c3c", "not converted": "#b8bcc2"}
_ROW_INCHES: Final = 0.19


def draw(rows: Sequence[dict[str, Any]]) -> bytes:
    """Draw the result.

    :param rows: the rows of the result.
    :return: the bytes of a PNG.
    """
    figure = Figure(figsize=(12, 1.9 + _ROW_INCHES * max(len(rows), 6)), layout="constrained")
    states, seconds, speed = figure.subplots(1, 3, sharey=True, width_ratios=(1.0, 2.2, 2.2))
    _states(states, rows)
    _dots(seconds, rows, "seconds")
    _dots(speed, rows, "ms")
    states.set_yticks(range(len(rows)), [f"{row['network']} ({row['millions']:.1f} M)" for row in rows], fontsize=8)
    states.set_ylim(len(rows) - 0.5, -0.5)
    seconds.set_title("Seconds to convert", fontsize=10)
    speed.set_title("Milliseconds per image, wasm, one thread", fontsize=10)
    figure.legend(
        handles=[Patch(color=colour, label=state) for state, colour in _STATES.items()]
        + [Patch(color=_COLOURS[route], label=_NAMES[route]) for route in ROUTES],
        loc="outside lower center",
        ncols=6,
        fontsize=9,
        frameon=False,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def state(found: dict[str, Any], backend: str) -> str:
    """How a route fares on a backend, as the legend has it."""
    if found["failed"]:
        return "not converted"
    error = found["error"].get(backend)
    if error is None:
        return "does not run"
    return "right" if error <= TOLERANCE else "wrong numbers"


def _states(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    """A cell for each route and backend, a gap between the routes."""
    places = [(route, backend, x + gap) for gap, route in enumerate(ROUTES) for x, backend in _places(route)]
    for route, backend, x in places:
        colours = [_STATES[state(row[route], backend)] for row in rows]
        axes.barh(range(len(rows)), 0.92, 0.86, x - 0.46, color=colours)
    axes.set_xticks([x for _, _, x in places], [backend for _, backend, _ in places], rotation=90, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_title("direct          official", fontsize=10)
    for side in axes.spines.values():
        side.set_visible(False)


def _places(route: str) -> list[tuple[int, str]]:
    first = ROUTES.index(route) * len(BACKENDS)
    return [(first + number, backend) for number, backend in enumerate(BACKENDS)]


def _dots(axes: Axes, rows: Sequence[dict[str, Any]], key: str) -> None:
    """One dot for each route, with a line between the two."""
    for y, row in enumerate(rows):
        both = [row[route][key] for route in ROUTES if row[route][key] is not None]
        axes.plot(both, [y] * len(both), color="0.8", linewidth=1.2, zorder=1)
    for route in ROUTES:
        known = {y: row[route][key] for y, row in enumerate(rows) if row[route][key] is not None}
        axes.scatter(list(known.values()), list(known), s=18, color=_COLOURS[route], zorder=2)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(LogFormatter())
    axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.tick_params(axis="x", which="both", labelsize=8)
