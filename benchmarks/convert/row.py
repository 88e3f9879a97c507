"""One network through all steps, as a row of the result."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.convert.process import FAILED, step
from benchmarks.convert.runs import DIRECT, OFFICIAL
from benchmarks.convert.turns import Turns
from benchmarks.results import significant
from browser.tfjs import BACKENDS

ROUTES: Final = (DIRECT, OFFICIAL)
TOLERANCE: Final = 1e-4


@dataclass(frozen=True)
class Limits:
    """Seconds after which a step counts as failed: making the graph, converting it, one run in the browser."""

    make: float = 1200
    convert: float = 1200
    run: float = 300


def measure(
    name: str, millions: float, pixels: int, work: Path, cache: Path, limits: Limits, turns: Turns
) -> dict[str, Any]:
    """Measure one network. Our own conversion and the milliseconds are timed with nothing beside them.

    :param millions: its weights, in millions.
    :param pixels: height and width of its input.
    :param work: folder for the graphs, which are gone afterwards.
    :param cache: where the environment of the official route is.
    :param turns: of all networks that are measured at the same time.
    :return: the row. For each route: ``failed`` (why there is no graph model, or null), ``seconds``, ``megabytes``,
        ``error`` and ``stopped`` (by backend: the error of the logits, or why there is none), ``ms``, ``quartiles``.
    """
    row: dict[str, Any] = {"network": name, "millions": millions, "pixels": pixels}
    work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=work))
    try:
        with turns.together():
            made = step("benchmarks.convert.make", [name, str(folder)], limits.make)
        for route in ROUTES:
            if FAILED in made:
                row[route] = _not_made(f"before any route: {made[FAILED]}")
            else:
                row[route] = _route(route, folder, cache, limits, turns)
        running = [route for route in ROUTES if "wasm" in row[route]["error"]]
        if running:
            with turns.alone():
                found = step("benchmarks.convert.runs", ["time", str(folder), *running], 20 * limits.run)
            for route in running:
                row[route] |= _timing(found.get(route)) if FAILED not in found else {"not_timed": found[FAILED]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return row


def passes(found: dict[str, Any]) -> bool:
    """Whether a route gives PyTorch's answers on every backend."""
    return all(backend in found["error"] and found["error"][backend] <= TOLERANCE for backend in BACKENDS)


def _not_made(why: str) -> dict[str, Any]:
    return {"failed": why, "seconds": None, "megabytes": None, "error": {}, "stopped": {}, "ms": None}


def _route(route: str, folder: Path, cache: Path, limits: Limits, turns: Turns) -> dict[str, Any]:
    with turns.alone() if route == DIRECT else turns.together():
        converted = step("benchmarks.convert.routes", [route, str(folder), str(cache)], limits.convert)
    if FAILED in converted:
        return _not_made(converted[FAILED])
    found = _not_made("") | {
        "failed": None,
        "seconds": significant(converted["seconds"]),
        "megabytes": significant(converted["megabytes"]),
    }

    def compared(backend: str) -> dict[str, Any]:
        return step("benchmarks.convert.runs", ["compare", str(folder), route, backend], limits.run)

    with turns.together():
        runs = [compared(backend) for backend in BACKENDS]
    for backend, run in zip(BACKENDS, runs, strict=True):
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
