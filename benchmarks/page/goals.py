"""What was asked of the page, as the median over the rounds, and what the figures mean."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from benchmarks.page.plan import LEAK_PHOTOS, LINE, OURS, PEERS, PHOTOS, WARM_UP
from benchmarks.results import Goal, significant

Rounds = Sequence[Mapping[str, Any]]
"""For each round, by the page's name, its :class:`benchmarks.page.turn.Turn`."""

DEFINITIONS: Final = {
    "value of a goal": "median over the rounds of what is measured, or divided, within one round; none unless it was "
    "measured in every round. spread has the 10th and the 90th percentile over the rounds, and every one's",
    "first answer": "from the start of the navigation to the label, in a browser that was started for it: new profile, "
    "empty cache. The photo is chosen as soon as the page has been read; it does not travel",
    "line": f"through a proxy of {LINE.down_kbps / 1000:g} Mbit/s each way and {LINE.rtt_ms} ms there and back, shared "
    "by all connections; without loss, slow start or TLS",
    "direct": "the same from the machine itself, without the proxy",
    "host": "sends text and WebAssembly as gzip (level 6) and everything else as it lies there, to every page alike. "
    "Cloudflare and bunny.net compress application/wasm by default, like text; application/octet-stream, which .bin, "
    ".onnx and .tflite are, they do not",
    "bytes": "what has come down the line when the label appears, with the heads of the answers; MB are 10^6 bytes",
    "warm": f"from a photo's being chosen to its label, decode and resize included, in a page that has answered "
    f"{WARM_UP + 1} photos; the same JPEG again and again, the median of {PHOTOS} in each round; on WebAssembly",
    "warm_threads": "the same on a page that is isolated from other origins, with as many threads as the machine has "
    "cores, at most four: for every page the same number",
    "weights": "the smallest of a peer's that have at most three photos fewer right than float32, over validation and "
    "test together; see weights",
    "best peer": "in each round the peer that is fastest in it; one that is not measured does not count",
    "bytes_to_first_answer": "of ours, through the line",
    "first_answer_vs_best_peer": "first answer through the line, the best peer's over ours",
    "warm_vs_best_peer": "warm, one thread, ours over the best peer's",
    "tensors_leaked_after_200": f"tensors that TensorFlow.js holds in our page after {LEAK_PHOTOS} more photos, less "
    "those before",
    "large_photo_ratio": "a JPEG of 4000x3000 from its being dropped on our warm page to its label, over "
    "createImageBitmap and reading its pixels back from an OffscreenCanvas in the same worker, in turns",
}


class Asked(NamedTuple):
    """A goal before it is measured. ``of_round`` gives its figure in one round, None if it was not measured.

    ``once``: it is measured in the first round only.
    """

    name: str
    unit: str
    goal: float
    better: Literal["higher", "lower"]
    of_round: Callable[[Mapping[str, Any]], float | None]
    once: bool = False


def figure(turns: Mapping[str, Any], page: str, name: str) -> float | None:
    """One figure of one round; None if it was not measured. Of several times in a round it is the median.

    :param turns: the round.
    :param name: a key of :class:`benchmarks.page.turn.Turn`.
    """
    found = turns.get(page, {}).get(name)
    if found is None:
        return None
    return float(statistics.median(found)) if isinstance(found, Sequence) else float(found)


def best_peer(turns: Mapping[str, Any], name: str) -> float | None:
    """The least of the peers' figures in a round; None if no peer has one."""
    found = [value for peer in PEERS if (value := figure(turns, peer, name)) is not None]
    return min(found, default=None)


def ratio(above: float | None, below: float | None) -> float | None:
    """One figure over another; None unless both were measured and the second is not 0."""
    return above / below if above is not None and below else None


def goals(rounds: Rounds) -> list[Goal]:
    """Every goal, the missed ones too; one that a round lacks has no value, and is missed."""
    found = []
    for asked in ASKED:
        values = _values(asked, rounds)
        # The median of the rounds that went well would be of fewer rounds than were asked for, and nobody would see it.
        whole = bool(values) and len(values) == (1 if asked.once else len(rounds))
        value = float(np.median(values)) if whole else None
        found.append(Goal(asked.name, value, asked.unit, asked.goal, asked.better))
    return found


def spread(rounds: Rounds) -> dict[str, dict[str, Any]]:
    """For each goal that was measured in every round ``p10`` and ``p90`` over them, and ``rounds``, each figure."""
    found = {}
    for asked in ASKED:
        if not asked.once and (values := _values(asked, rounds)):
            low, high = np.percentile(values, (10, 90))
            found[asked.name] = {
                "p10": significant(float(low)),
                "p90": significant(float(high)),
                "rounds": [significant(value) for value in values],
            }
    return found


def _values(asked: Asked, rounds: Rounds) -> list[float]:
    values = map(asked.of_round, rounds[:1] if asked.once else rounds)
    return [value for value in values if value is not None]


def _megabytes(turns: Mapping[str, Any]) -> float | None:
    found = figure(turns, OURS, "line_bytes")
    return None if found is None else found / 1e6


ASKED: Final = (
    Asked("bytes_to_first_answer", "MB", 2.3, "lower", _megabytes),
    Asked(
        "first_answer_vs_best_peer",
        "ratio",
        2.0,
        "higher",
        lambda turns: ratio(best_peer(turns, "line_ms"), figure(turns, OURS, "line_ms")),
    ),
    Asked(
        "warm_vs_best_peer",
        "ratio",
        0.9,
        "lower",
        lambda turns: ratio(figure(turns, OURS, "warm_ms"), best_peer(turns, "warm_ms")),
    ),
    Asked("tensors_leaked_after_200", "tensors", 0.0, "lower", lambda turns: figure(turns, OURS, "leaked"), once=True),
    Asked(
        "large_photo_ratio",
        "ratio",
        1.5,
        "lower",
        lambda turns: ratio(figure(turns, OURS, "large_ms"), figure(turns, OURS, "large_decode_ms")),
    ),
)
