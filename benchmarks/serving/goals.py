"""What was asked of the server, as the median over the rounds, and what the figures mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from benchmarks.results import Goal, significant
from benchmarks.serving.plan import AFTER_BURST, BUSY, CEILING, CROWDED, FIRST, HEAVY, OURS, PEERS, Cell

Rounds = Sequence[Mapping[str, Any]]
"""For each round, by the server's name, its :class:`benchmarks.serving.turn.Turn`; the ceiling's has one cell."""

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


class Asked(NamedTuple):
    """A goal before it is measured. ``of_round`` gives its figure in one round, None if it was not measured."""

    name: str
    unit: str
    goal: float
    better: Literal["higher", "lower"]
    of_round: Callable[[Mapping[str, Any]], float | None]
    total: bool = False


def figure(turns: Mapping[str, Any], server: str, cell: Cell, name: str) -> float | None:
    """One figure of one round; None if it was not measured.

    :param turns: the round.
    :param name: a column.
    """
    found = turns.get(server, {}).get("cells", {}).get(cell.key, {}).get(name)
    return None if found is None else float(found)


def ratio(above: float | None, below: float | None) -> float | None:
    """One figure over another; None unless both were measured and the second is not 0."""
    return above / below if above is not None and below else None


def goals(rounds: Rounds) -> list[Goal]:
    """Every goal, the missed ones too; one that a round lacks has no value, and is missed."""
    found = []
    for asked in ASKED:
        values = _values(asked, rounds)
        # The median of the rounds that went well would be of fewer rounds than were asked for, and nobody would see it.
        whole = bool(rounds) and len(values) == len(rounds)
        value = None if not whole else sum(values) if asked.total else float(np.median(values))
        found.append(Goal(asked.name, value, asked.unit, asked.goal, asked.better))
    return found


def spread(rounds: Rounds) -> dict[str, dict[str, Any]]:
    """For each goal that was measured ``p10`` and ``p90`` over the rounds, and ``rounds``, each round's figure."""
    found = {}
    for asked in ASKED:
        if values := _values(asked, rounds):
            low, high = np.percentile(values, (10, 90))
            found[asked.name] = {
                "p10": significant(float(low)),
                "p90": significant(float(high)),
                "rounds": [significant(value) for value in values],
            }
    return found


def _values(asked: Asked, rounds: Rounds) -> list[float]:
    return [value for value in map(asked.of_round, rounds) if value is not None]


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
