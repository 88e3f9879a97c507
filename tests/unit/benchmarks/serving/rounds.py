"""A made measurement: rounds as turns would have measured them, without measuring."""

from __future__ import annotations

from typing import Any

from benchmarks.serving.plan import BUSY, CEILING, CELLS, LARGE, OURS, SERVERS

RATES = dict(zip(SERVERS, (160.0, 150.0, 100.0, 128.0, 64.0, 40.0, 20.0, 200.0), strict=True))
FAST = (1.0, 1.1, 0.9, 1.2, 1.0, 1.0, 0.8)
"""How fast the machine is in each of seven rounds, which every server feels alike."""


def figures(rate: float, connections: int, **changes: Any) -> dict[str, Any]:
    wait = 1000 * connections / rate
    found = {
        "requests_per_second": rate,
        "p50_ms": wait,
        "p95_ms": 1.5 * wait,
        "p99_ms": 2 * wait,
        "failed": 0,
        "cpu_seconds_per_1000": 2000 / rate,
        "peak_memory_mib": 300.0,
        "mean_batch": None,
    }
    return found | changes


def turn(name: str, fast: float = 1.0, **changes: Any) -> dict[str, Any]:
    rate = RATES[name] * fast
    batch = {"mean_batch": 4.0} if name == OURS else {}
    cells = {
        cell.key: figures(rate / 8 if cell.size == LARGE else rate, cell.connections, **batch | changes)
        for cell in ((BUSY,) if name == CEILING else CELLS)
    }
    return {"cells": cells, "not_timed": {}}


def not_timed(why: str) -> dict[str, Any]:
    return {"cells": {}, "not_timed": {cell.key: why for cell in CELLS}}


def made() -> list[dict[str, Any]]:
    """Seven rounds of everything."""
    return [{name: turn(name, fast) for name in SERVERS} for fast in FAST]
