"""The picture of the servers: how many requests each answers, and how long one waits with more connections."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, ScalarFormatter

from benchmarks.serving.plan import BUSY, CELLS, SERVERS, SMALL, TITLES
from benchmarks.serving.rows import row_of

_COLOURS: Final = dict(
    zip(
        SERVERS,
        ("#1f6feb", "#7db4ff", "#d1640a", "#8a4b08", "#2c8a43", "#8250df", "#c43c3c", "#6e7781"),
        strict=True,
    )
)


def draw(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw the result.

    :param rows: the rows of the result.
    :return: the bytes of a PNG.
    """
    servers = [name for name in SERVERS if any(row["server"] == name for row in rows)]
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    throughput, latency = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    _throughput(throughput, rows, servers)
    _latency(latency, rows, servers)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _throughput(axes: Axes, rows: Sequence[Mapping[str, Any]], servers: Sequence[str]) -> None:
    """A bar for each server, whiskers from the 10th to the 90th percentile of the rounds."""
    for y, server in enumerate(servers):
        row = row_of(rows, server, BUSY)
        rate = row["requests_per_second"] if row else None
        if row is None or rate is None:
            axes.text(0, y, " not timed", va="center", fontsize=9, color="0.4")
            continue
        low, high = row["requests_per_second_p10"], row["requests_per_second_p90"]
        axes.barh(y, rate, 0.7, color=_COLOURS[server])
        axes.errorbar(rate, y, xerr=[[max(rate - low, 0)], [max(high - rate, 0)]], color="0.15", capsize=3, linewidth=1)
        axes.annotate(f"{rate:.0f}", (max(rate, high), y), (5, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(servers)), [TITLES[name] for name in servers], fontsize=9)
    axes.set_ylim(len(servers) - 0.5, -0.5)
    axes.margins(x=0.12)
    axes.set_xlim(left=0)
    axes.set_title(f"Requests per second, {SMALL}, {BUSY.connections} connections", fontsize=10)
    axes.set_xlabel("median of the rounds, whiskers to their 10th and 90th percentile", fontsize=9)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


def _latency(axes: Axes, rows: Sequence[Mapping[str, Any]], servers: Sequence[str]) -> None:
    """Two lines for each server, the median and the 99th percentile, over the number of connections."""
    cells = [cell for cell in CELLS if cell.size == SMALL and not cell.after_burst]
    for server in servers:
        found = [(cell.connections, row_of(rows, server, cell)) for cell in cells]
        for name, style in (("p50_ms", "-"), ("p99_ms", ":")):
            points = [(count, row[name]) for count, row in found if row and row[name] is not None]
            axes.plot(
                [count for count, _ in points],
                [ms for _, ms in points],
                style,
                marker="o",
                markersize=3,
                linewidth=1.4,
                color=_COLOURS[server],
            )
    if not any(row["p50_ms"] for row in rows):  # a logarithmic axis needs something to show
        axes.text(0.5, 0.5, "not timed", transform=axes.transAxes, ha="center", fontsize=9, color="0.4")
        return
    for set_scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
        set_scale("log")
        axis.set_major_formatter(ScalarFormatter())
    axes.set_xticks([cell.connections for cell in cells])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("connections", fontsize=9)
    axes.set_title(f"Milliseconds to the answer, {SMALL}; colours as on the left", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(
        handles=[
            Line2D([], [], color="0.3", label="median"),
            Line2D([], [], color="0.3", linestyle=":", label="99th percentile"),
        ],
        fontsize=9,
        frameon=False,
        loc="upper left",
    )
