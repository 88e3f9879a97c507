"""What was asked of the server, as the median over the rounds, and what the figures mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.results import Goal
from benchmarks.rounds import Asked, Rounds, goals_of, ratio, spread_of
from benchmarks.serving.plan import AFTER_BURST, BUSY, CEILING, CROWDED, FIRST, HEAVY, OURS, PEERS, Cell

_RATES: Final = dict(zip(PEERS, (1.2, 1.0, 2.0, 2.0, 5.0), strict=True))

DEFINITIONS: Final = {
    "value of a goal": "median over the rounds of what is measured, or divided, within one round; failed_128 is the "
    "sum over the rounds; none unless it was measured in every round. spread has the 10th and the 90th percentile over "
    "the rounds that were, and every one's",
    "twinlens": "twinlens serve with its default settings, batching on; twinlens_unbatched: TWINLENS_BATCHING=false",
    "fastapi_tutorial": "FastAPI and ONNX Runtime as a tutorial has it: thread pool, no batching",
    "fastapi_tuned": "the same with our decode and our graph",
    "bentoml_documented": "BentoML's documented batchable endpoint, a list of PIL images",
    "litserve": "LitServe with batching",
    "flask_eager": "Flask, gunicorn and PyTorch eager",
    "ceiling": "our decode and our graph in one process without HTTP, the best of every setting of threads",
    "requests_per_second": "answers of status 200 a second; wrk with one thread, on the same machine as the server",
    "p50_ms, p95_ms, p99_ms": "wrk's, which corrects them for coordinated omission: an answer that took more than "
    "twice the mean counts for the requests that its connection could not send meanwhile, too",
    "failed": "answers of another status, socket errors, and requests to which nothing came back, over all rounds",
    "not_timed": "why there are no figures: each server first has to answer each photo with its golden label",
    "cpu_seconds_per_1000": "processor seconds of the server's whole process tree, wrk's not, from wrk's start to its "
    "end, for 1,000 photos answered. What was done for photos whose answer wrk did not wait for, at most one a "
    "connection, is in it for every server alike, since only ours tells how much that was; the ceiling has none such",
    "peak_memory_mib": "proportional set sizes of the process tree together, looked at once a second; MiB",
    "mean_batch": "images in a run of the network, from the histogram at /metrics, its increase within the cell",
    "after_burst": "one connection again, just after the cell with 128",
    "vs_PEER": "requests_per_second of twinlens over those of the peer, 500x375, 32 connections",
    "cpu_per_photo_vs_ceiling": "cpu_seconds_per_1000 of twinlens over those of the ceiling, 500x375, 32 connections",
    "p50_vs_fastapi_tuned_1": "p50_ms of twinlens over that of fastapi_tuned, 500x375, one connection: on a process "
    "that has answered each photo once, and (_after_burst) just after 128 connections",
    "large_vs_fastapi_tutorial": "requests_per_second of twinlens over those of the peer, 4000x3000, 4 connections",
    "failed_128, p99_over_p50_128": "of twinlens, 500x375, 128 connections",
}


def figure(turns: Mapping[str, Any], server: str, cell: Cell, name: str) -> float | None:
    """One figure of one round; None if it was not measured.

    :param turns: the round.
    :param name: a column.
    """
    found = turns.get(server, {}).get("cells", {}).get(cell.key, {}).get(name)
    return None if found is None else float(found)


def goals(rounds: Rounds) -> list[Goal]:
    """Every goal; see :func:`benchmarks.rounds.goals_of`."""
    return goals_of(ASKED, rounds)


def spread(rounds: Rounds) -> dict[str, dict[str, Any]]:
    """How far each figure was from round to round; see :func:`benchmarks.rounds.spread_of`."""
    return spread_of(ASKED, rounds)


def _over(cell: Cell, name: str, other: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda turns: ratio(figure(turns, OURS, cell, name), figure(turns, other, cell, name))


def _own(cell: Cell, name: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda turns: figure(turns, OURS, cell, name)


_RATE: Final = "requests_per_second"
ASKED: Final = (
    *(Asked(f"vs_{peer}", "ratio", goal, "higher", _over(BUSY, _RATE, peer)) for peer, goal in _RATES.items()),
    Asked("cpu_per_photo_vs_ceiling", "ratio", 1.1, "lower", _over(BUSY, "cpu_seconds_per_1000", CEILING)),
    Asked("mean_batch", "images", 2.0, "higher", _own(BUSY, "mean_batch")),
    Asked("p50_vs_fastapi_tuned_1", "ratio", 1.1, "lower", _over(FIRST, "p50_ms", "fastapi_tuned")),
    Asked("p50_vs_fastapi_tuned_1_after_burst", "ratio", 1.1, "lower", _over(AFTER_BURST, "p50_ms", "fastapi_tuned")),
    Asked("large_vs_fastapi_tutorial", "ratio", 3.0, "higher", _over(HEAVY, _RATE, "fastapi_tutorial")),
    Asked("failed_128", "requests", 0.0, "lower", _own(CROWDED, "failed"), total=True),
    Asked(
        "p99_over_p50_128",
        "ratio",
        3.0,
        "lower",
        lambda turns: ratio(figure(turns, OURS, CROWDED, "p99_ms"), figure(turns, OURS, CROWDED, "p50_ms")),
    ),
)
