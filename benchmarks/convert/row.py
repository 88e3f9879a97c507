"""One network through all steps, as a row of the result: first what no company disturbs, then what is timed."""

from __future__ import annotations

import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.convert.runs import DIRECT, OFFICIAL, SPEED_RATIO
from benchmarks.process import FAILED, step
from benchmarks.results import significant
from browser.tfjs import BACKENDS

ROUTES: Final = (DIRECT, OFFICIAL)
TOLERANCE: Final = 1e-4
# One alone can meet a busy disk: convnext_tiny once took 5.0 s where convnext_small, of twice the size, took 2.9 s.
_CONVERSIONS: Final = 3


@dataclass(frozen=True)
class Limits:
    """Seconds after which a step counts as failed: making the graph, converting it, one run in the browser."""

    make: float = 1200
    convert: float = 1200
    run: float = 600


def compare(name: str, millions: float, pixels: int, folder: Path, cache: Path, limits: Limits) -> dict[str, Any]:
    """Convert one network by both routes and compare what the browser answers with PyTorch.

    Others may run beside it.

    :param millions: its weights, in millions.
    :param pixels: height and width of its input.
    :param folder: for its graphs, which :func:`measure` times; made anew.
    :param cache: where the environment of the official route is.
    :return: the row. For each route: ``failed`` (why there is no graph model, or null), ``seconds``, ``megabytes``,
        ``error`` and ``stopped`` (by backend: the error of the logits, or why there is none), ``ms``. ``speed_ratio``,
        as ``ms``, is for :func:`measure`.
    """
    row: dict[str, Any] = {"network": name, "millions": millions, "pixels": pixels, SPEED_RATIO: None}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = step("benchmarks.convert.make", [name, str(folder)], limits.make)
    for route in ROUTES:
        if FAILED in made:
            row[route] = _not_made(f"before any route: {made[FAILED]}")
        else:
            row[route] = _route(route, folder, cache, limits)
    return row


def measure(row: dict[str, Any], folder: Path, cache: Path, limits: Limits) -> dict[str, Any]:
    """Time our own conversion, and one image in the browser by every route that runs there. Nothing may run beside it.

    :param row: from :func:`compare`.
    :param folder: that it was given.
    :return: the row with ``seconds`` of the direct route anew, ``ms``, ``quartiles`` and ``runs``, or ``not_timed``,
        and ``speed_ratio`` where both routes were timed.
    """
    row = {**row, **{route: dict(row[route]) for route in ROUTES}}
    if not row[DIRECT]["failed"]:
        again = [str(folder), str(cache)]
        converted = [step("benchmarks.convert.routes", [DIRECT, *again], limits.convert) for _ in range(_CONVERSIONS)]
        seconds = [found["seconds"] for found in converted if FAILED not in found]
        row[DIRECT]["seconds"] = significant(statistics.median(seconds)) if len(seconds) == _CONVERSIONS else None
    running = [route for route in ROUTES if "wasm" in row[route]["error"]]
    if running:
        found = step("benchmarks.convert.runs", ["time", str(folder), *running], 20 * limits.run)
        for route in running:
            row[route] |= _timing(found.get(route)) if FAILED not in found else {"not_timed": found[FAILED]}
        if SPEED_RATIO in found:
            row[SPEED_RATIO] = significant(found[SPEED_RATIO], 6)  # a goal and a table round it again
    return row


def passes(found: dict[str, Any]) -> bool:
    """Whether a route gives PyTorch's answers on every backend."""
    return all(backend in found["error"] and found["error"][backend] <= TOLERANCE for backend in BACKENDS)


def _not_made(why: str) -> dict[str, Any]:
    return {"failed": why, "seconds": None, "megabytes": None, "error": {}, "stopped": {}, "ms": None}


def _route(route: str, folder: Path, cache: Path, limits: Limits) -> dict[str, Any]:
    converted = step("benchmarks.convert.routes", [route, str(folder), str(cache)], limits.convert)
    if FAILED in converted:
        return _not_made(converted[FAILED])
    found = _not_made("") | {
        "failed": None,
        "seconds": significant(converted["seconds"]),
        "megabytes": significant(converted["megabytes"]),
    }
    for backend in BACKENDS:
        run = step("benchmarks.convert.runs", ["compare", str(folder), route, backend], limits.run)
        if FAILED in run:
            found["stopped"][backend] = run[FAILED]
        else:
            found["error"][backend] = significant(run["error"], 3)
    return found


def _timing(found: Any) -> dict[str, Any]:
    return {
        "ms": significant(found["ms"]),
        "quartiles": [significant(value) for value in found["quartiles"]],
        "runs": found["runs"],
    }
