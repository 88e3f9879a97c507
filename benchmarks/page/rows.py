"""The rows of the result: one for each page, over all rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmarks.page.goals import figure
from benchmarks.results import significant
from benchmarks.rounds import Rounds

_TIMES: Final = ("line_ms", "direct_ms", "warm_ms", "warm_threads_ms")


def rows(rounds: Rounds, pages: Sequence[str], weights: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows; a page that was never measured has one too, which says why.

    :param pages: the names of what was measured, in the order of the rows.
    :param weights: for each page ``chosen`` and ``bytes``, or ``not_measured``.
    """
    return [_row(rounds, name, weights[name]) for name in pages]


def _row(rounds: Rounds, page: str, weights: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"page": page, "weights": weights.get("chosen"), "weights_bytes": weights.get("bytes")}
    received = [value for turns in rounds if (value := figure(turns, page, "line_bytes")) is not None]
    row["line_megabytes"] = significant(float(np.median(received)) / 1e6) if received else None
    for name in _TIMES:
        values = [value for turns in rounds if (value := figure(turns, page, name)) is not None]
        for key, share in ((name, 0.5), (f"{name}_p10", 0.1), (f"{name}_p90", 0.9)):
            row[key] = significant(float(np.quantile(values, share))) if values else None
        row["rounds"] = max(row.get("rounds", 0), len(values))
    reasons = [turns[page]["failed"] for turns in rounds if "failed" in turns.get(page, {})]
    row["not_measured"] = weights.get("not_measured") or (reasons[0] if reasons else None)
    return row
