"""What was asked of the page, as the median over the rounds, and what the figures mean."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.page.plan import LEAK_PHOTOS, LINE, OURS, PEERS, PHOTOS, WARM_UP
from benchmarks.results import Goal
from benchmarks.rounds import Asked, Rounds, goals_of, ratio, spread_of

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


def goals(rounds: Rounds) -> list[Goal]:
    """Every goal; see :func:`benchmarks.rounds.goals_of`."""
    return goals_of(ASKED, rounds)


def spread(rounds: Rounds) -> dict[str, dict[str, Any]]:
    """How far each figure was from round to round; see :func:`benchmarks.rounds.spread_of`."""
    return spread_of(ASKED, rounds)


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
