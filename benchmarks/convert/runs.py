"""``python -m benchmarks.convert.runs STEP FOLDER ...``: run in Chromium what the routes have written.

``compare FOLDER ROUTE BACKEND`` compares the logits with PyTorch's; ``time FOLDER ROUTE...`` measures the wasm backend,
the routes in turns of one image, so that a machine that slows down slows both.
"""

from __future__ import annotations

import statistics
import sys
from operator import truediv
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from benchmarks.process import FAILED, answer
from browser.chromium import chromium
from browser.tfjs import Backend, graph_page, run_graph_model
from training.official.check import said
from twinlens.errors import TwinlensError
from twinlens.golden import relative_error

DIRECT: Final = "direct"
OFFICIAL: Final = "official"
GRAPH: Final = "model.onnx"
PIXELS: Final = "pixels.npy"
LOGITS: Final = "logits.npy"
SPEED_RATIO: Final = "speed_ratio"
_TIMED_MS: Final = 8000
_FEWEST_PAIRS, _MOST_PAIRS = 8, 30


def compare(folder: Path, route: str, backend: str) -> dict[str, Any]:
    """The error of the logits on one backend."""
    # Plain JavaScript and WebGL drawn in software take seconds for each image.
    count = None if backend == "wasm" else 1
    pixels, wanted = np.load(folder / PIXELS)[:count], np.load(folder / LOGITS)[:count]
    with chromium(webgl=True) as browser:
        logits = run_graph_model(browser, folder / route, pixels, cast(Backend, backend)).get("logits")
    if logits is None or logits.shape != wanted.shape:
        shape = None if logits is None else list(logits.shape)
        return {FAILED: f"gives logits of the shape {shape} instead of {list(wanted.shape)}"}
    if not np.isfinite(logits).all():
        return {FAILED: "gives logits that are no numbers"}
    return {"error": relative_error(logits, wanted)}


def measure(folder: Path, routes: list[str]) -> dict[str, Any]:
    """Median milliseconds of one image on wasm with one thread, with the quartiles, by route.

    With both routes also :data:`SPEED_RATIO`, the median of the official route's time over ours in two turns, one in
    either order: noise that lasts for longer is in both, and so is what it costs to run after the other.
    """
    images = dict.fromkeys(routes, np.load(folder / PIXELS)[:1])
    with chromium() as browser, graph_page(browser, folder) as page:
        slowest = max(taken[0] for taken in page.time(images, "wasm", 1).values())
        pairs = min(_MOST_PAIRS, max(_FEWEST_PAIRS, int(_TIMED_MS / slowest / 2)))
        taken = page.time(images, "wasm", 2 * pairs)
    found: dict[str, Any] = {route: _summary(milliseconds) for route, milliseconds in taken.items()}
    if {DIRECT, OFFICIAL} <= taken.keys():
        found[SPEED_RATIO] = statistics.median(map(truediv, _pairs(taken[OFFICIAL]), _pairs(taken[DIRECT])))
    return found


def _pairs(milliseconds: list[float]) -> list[float]:
    return [there + back for there, back in zip(milliseconds[::2], milliseconds[1::2], strict=True)]


def _summary(milliseconds: list[float]) -> dict[str, Any]:
    low, middle, high = statistics.quantiles(milliseconds, n=4, method="inclusive")
    return {"ms": middle, "quartiles": [low, high], "runs": len(milliseconds)}


def main(step: str, folder: Path, *rest: str) -> dict[str, Any]:
    """Run one step."""
    try:
        return compare(folder, *rest) if step == "compare" else measure(folder, list(rest))
    except TwinlensError as error:
        return {FAILED: said(error, folder) if error.code == "export_mismatch" else error.detail}


if __name__ == "__main__":
    answer(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
