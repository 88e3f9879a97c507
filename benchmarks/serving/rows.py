"""The rows of the result: one for each server and cell, over all rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.results import significant
from benchmarks.rounds import Rounds
from benchmarks.serving.plan import BUSY, CEILING, CELLS, Cell


def rows(rounds: Rounds, servers: Sequence[str]) -> list[dict[str, Any]]:
    """The rows, by server and then by cell; a server that was never timed has some too, which say why.

    :param servers: the names of what was measured, in the order of the rows.
    """
    return [_row(rounds, name, cell) for name in servers for cell in ((BUSY,) if name == CEILING else CELLS)]


def row_of(found: Sequence[Mapping[str, Any]], server: str, cell: Cell) -> Mapping[str, Any] | None:
    """The row of a cell; None if there is none.

    :param found: rows of a result.
    """
    wanted = (server, cell.size, _connections(server, cell), cell.after_burst)
    for row in found:
        if (row["server"], row["size"], row["connections"], row["after_burst"]) == wanted:
            return row if server != CEILING or cell == BUSY else None
    return None


def _connections(server: str, cell: Cell) -> int | None:
    return None if server == CEILING else cell.connections


def _row(rounds: Rounds, server: str, cell: Cell) -> dict[str, Any]:
    turns = [turns[server] for turns in rounds if server in turns]
    figures = [turn["cells"][cell.key] for turn in turns if cell.key in turn["cells"]]
    reasons = [turn["not_timed"][cell.key] for turn in turns if cell.key in turn["not_timed"]]

    def values(name: str) -> list[float]:
        return [figure[name] for figure in figures if figure[name] is not None]

    def quantile(name: str, share: float) -> float | None:
        found = values(name)
        return significant(float(np.quantile(found, share))) if found else None

    return {
        "server": server,
        "size": cell.size,
        "connections": _connections(server, cell),
        "after_burst": cell.after_burst,
        "requests_per_second": quantile("requests_per_second", 0.5),
        "requests_per_second_p10": quantile("requests_per_second", 0.1),
        "requests_per_second_p90": quantile("requests_per_second", 0.9),
        "p50_ms": quantile("p50_ms", 0.5),
        "p95_ms": quantile("p95_ms", 0.5),
        "p99_ms": quantile("p99_ms", 0.5),
        "failed": int(sum(values("failed"))) if figures else None,
        "cpu_seconds_per_1000": quantile("cpu_seconds_per_1000", 0.5),
        "peak_memory_mib": quantile("peak_memory_mib", 1.0),
        "mean_batch": quantile("mean_batch", 0.5),
        "rounds": len(figures),
        "not_timed": reasons[0] if reasons else None,
    }
