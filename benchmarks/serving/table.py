"""README's table of the servers: a line for each, with its figures at 32 connections and the most telling others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.results import measured_with, read_result
from benchmarks.serving.plan import AFTER_BURST, BUSY, CROWDED, FIRST, HEAVY, TITLES
from benchmarks.serving.rows import row_of

_HEAD: Final = (
    "| Server | Requests/s | p50, p95, p99 in ms | CPU s per 1,000 | Peak MiB | Mean batch | 1 connection: p50 "
    "(after a burst) | 128: p50, p99 | 12 MP: requests/s |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)
_NONE: Final = "–"


def server_table(path: Path) -> str:
    """The result of ``make bench-server`` as Markdown.

    :param path: the result file.
    :raises TwinlensError: ``invalid_data`` if there is no such file.
    """
    content = read_result(path)
    rows = content["rows"]
    servers = list(dict.fromkeys(row["server"] for row in rows))
    failed = {TITLES[row["server"]]: 0 for row in rows}
    for row in rows:
        failed[TITLES[row["server"]]] += row["failed"] or 0
    failures = [f"{title} {count}" for title, count in failed.items() if count]
    reasons = [
        f"{TITLES[row['server']]} at {row['size']}: {_inline(row['not_timed'])}" for row in rows if row["not_timed"]
    ]
    lines = [
        *_HEAD,
        *(_line(rows, server) for server in servers),
        "",
        "500x375 and 32 connections where nothing else is said; medians over "
        f"{max(row['rounds'] for row in rows)} rounds, the 10th and 90th percentile in brackets. "
        + (f"Failed requests: {', '.join(failures)}. " if failures else "No request failed. ")
        + (f"Not timed: {'; '.join(dict.fromkeys(reasons))}. " if reasons else "")
        + _gpu(content["gpu"]),
        "",
        measured_with(content),
    ]
    return "\n".join(lines)


def _line(rows: Sequence[Mapping[str, Any]], server: str) -> str:
    def cell(place: Any, *names: str) -> str:
        row = row_of(rows, server, place)
        found = [row[name] for name in names] if row else []
        return (
            ", ".join(f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in found if value is not None)
            or _NONE
        )

    busy = row_of(rows, server, BUSY)
    rate = cell(BUSY, "requests_per_second")
    if busy and busy["requests_per_second"] is not None:
        rate += f" ({busy['requests_per_second_p10']:.3g} to {busy['requests_per_second_p90']:.3g})"
    after = cell(AFTER_BURST, "p50_ms")
    cells = [
        TITLES[server],
        rate,
        cell(BUSY, "p50_ms", "p95_ms", "p99_ms"),
        cell(BUSY, "cpu_seconds_per_1000"),
        cell(BUSY, "peak_memory_mib"),
        cell(BUSY, "mean_batch"),
        cell(FIRST, "p50_ms") + (f" ({after})" if after != _NONE else ""),
        cell(CROWDED, "p50_ms", "p99_ms"),
        cell(HEAVY, "requests_per_second"),
    ]
    return f"| {' | '.join(cells)} |"


def _inline(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[:120]


def _gpu(found: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(found, str):
        return f"GPU: {found}."
    best = max(found, key=lambda row: row["photos_per_second"])
    return (
        f"{best['device']}: {best['photos_per_second']:,.0f} photos/s in batches of {best['batch']}, "
        f"{best['vs_single']:.2g} times as many as one by one."
    )
