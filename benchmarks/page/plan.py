"""What is measured: pages, lines, and the order of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loadtest.profiles import Network

OURS: Final = "twinlens"
TITLES: Final = {
    OURS: "twinlens",
    "onnxruntime_web": "onnxruntime-web",
    "transformers_js": "Transformers.js",
    "litert_js": "LiteRT.js",
}
PAGES: Final = tuple(TITLES)
"""Everything that has a turn in a round, by name."""
PEERS: Final = PAGES[1:]

LINE: Final = Network("10 Mbit/s, 40 ms", 10_000, 10_000, 40)
ROUNDS: Final = 7
PHOTOS: Final = 25
"""Photos of a warm page that count, in each round."""
WARM_UP: Final = 5
LEAK_PHOTOS: Final = 200
LARGE_PHOTOS: Final = 3
"""Large photos in each round, each beside the browser's own decoding of it."""
MOST_THREADS: Final = 4
"""The most that our page takes, and ONNX Runtime by itself."""

SMALL_SIZE: Final = (500, 375)
LARGE_SIZE: Final = (4000, 3000)

_SLOW_SECONDS: Final = 9.0
_OTHER_SECONDS: Final = 13.0
_OURS_SECONDS: Final = 12.0
_ONCE_SECONDS: Final = 60.0


def order(pages: Sequence[str], number: int) -> list[str]:
    """The order of the pages in a round: another one is the first each time, every second round runs backwards.

    :param number: of the round, from 0.
    """
    step = -1 if number % 2 else 1
    return [pages[(number + step * place) % len(pages)] for place in range(len(pages))]


def minutes(pages: Sequence[str], rounds: int) -> float:
    """About how long a run takes, weights and packages being there."""
    each = len(pages) * (_SLOW_SECONDS + _OTHER_SECONDS) + (_OURS_SECONDS if OURS in pages else 0.0)
    return (_ONCE_SECONDS + rounds * each) / 60
