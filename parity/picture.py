"""The picture beside the figures: the server's score against the page's, and how large the differences are."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from parity.compare import Comparison

_COLOURS: Final = ("#1f6feb", "#d1640a", "#2c8a43")
_SMALLEST: Final = 1e-11


def draw(groups: Mapping[str, Sequence[Comparison]], bounds: Mapping[str, float]) -> bytes:
    """Draw the comparison.

    :param groups: comparisons by the name of their group, as the legend shows it.
    :param bounds: lines to draw into the histogram, by label: differences that must not be exceeded.
    :return: the bytes of a PNG.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    scatter, histogram = figure.subplots(1, 2)
    edges = np.geomspace(_SMALLEST, 1, 41)
    for (name, comparisons), colour in zip(groups.items(), _COLOURS, strict=False):
        both = [one for one in comparisons if one.server.scores and one.page.scores]
        label = f"{name} ({len(both)})"
        server, page = [], []
        for one in both:
            assert one.server.scores and one.page.scores and one.server.label
            server.append(one.server.scores[one.server.label])
            page.append(one.page.scores.get(one.server.label, 0.0))
        scatter.scatter(server, page, s=14, alpha=0.5, color=colour, linewidths=0, label=label)
        differences = np.clip([one.difference for one in comparisons if one.counts], _SMALLEST, 1)
        shares = np.full(len(differences), 1 / max(len(differences), 1))
        histogram.hist(differences, edges, weights=shares, histtype="stepfilled", alpha=0.2, color=colour)
        histogram.hist(differences, edges, weights=shares, histtype="step", color=colour, linewidth=1.4, label=label)
    scatter.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, zorder=0)
    scatter.set(title="Score of the server's top label", xlabel="server", ylabel="page", xlim=(0, 1.01), ylim=(0, 1.01))
    scatter.set_aspect("equal")
    histogram.set(
        title="Largest difference of a score, per photo",
        xlabel=f"|server − page| (smaller than {_SMALLEST:g} shown as {_SMALLEST:g})",
        ylabel="share of photos",
        xscale="log",
    )
    for (label, bound), style in zip(bounds.items(), ("--", ":", "-."), strict=False):
        histogram.axvline(bound, color="0.3", linestyle=style, linewidth=1, label=f"{label}: {bound:g}")
    for axes in (scatter, histogram):
        axes.legend(loc="upper left", fontsize=8)
        axes.grid(alpha=0.2)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
