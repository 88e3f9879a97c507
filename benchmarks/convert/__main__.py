"""``python -m benchmarks.convert``: write ``docs/results/convert.json`` and the picture beside it.

Most of its hours are conversions and comparisons of numbers, which may run side by side and beside other work. They
come first, for all networks; what is timed comes afterwards, and wants a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.arguments import reported
from benchmarks.convert.environments import megabytes, versions
from benchmarks.convert.goals import COMPARED_AT, DEFINITIONS, goals, stopped_by
from benchmarks.convert.picture import draw
from benchmarks.convert.row import ROUTES, Limits, compare, measure
from benchmarks.convert.selection import pixels_of, selection
from benchmarks.process import end_all
from benchmarks.results import RESULTS, ROOT, commit, outcome, result, write_result
from browser.chromium import chromium
from training.official.environment import prepare
from training.progress import bar, say
from twinlens.arguments import number
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads
from twinlens.isolated import default_cache
from twinlens.store import write_atomically

WORK: Final = ROOT / "build" / "bench-convert"
_CLEAN: Final = re.compile("[0-9a-f]{40}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; status 1 if a goal is missed, 2 for a bad argument or a missing requirement."""
    options = _parser().parse_args(arguments)
    return reported(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.convert", description="Compare the two routes to TensorFlow.js over many networks."
    )
    parser.add_argument("--only", metavar="A,B", help="measure these networks only; the result stays in --work")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep what a stopped run has measured already, of the same commit without changes",
    )
    parser.add_argument(
        "--compared",
        action="store_true",
        help="with --resume: keep what was compared at another commit too, and time it anew; the rows name that commit",
    )
    parser.add_argument(
        "--limit",
        type=number(0, above=True),
        default=Limits.run,
        help="seconds that one run in the browser may take (%(default)g)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=WORK,
        metavar="FOLDER",
        help="where rows and graphs are kept meanwhile, 25 GB of them",
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="as for `python -m training export`")
    return parser


def _run(options: argparse.Namespace) -> int:
    began = commit()
    chosen = _chosen(options.only)
    with chromium(webgl=True) as browser:
        chromium_version = browser.version
    cache = options.cache or default_cache()
    environment = prepare(cache)
    rows = _rows(chosen, options, cache)
    found = goals(rows)
    out = options.work / "convert.json" if options.only else RESULTS / "convert.json"
    content = result(
        _command(options),
        rows,
        found,
        commit=began,
        definitions={**DEFINITIONS, "not within N s": f"a run in the browser was ended after {options.limit:g} s"},
        versions={"chromium": chromium_version, **versions()},
        facts={"environment_megabytes": megabytes(environment)},
    )
    write_result(out, content)
    write_atomically(out.with_suffix(".png"), draw(rows))
    for goal in found:
        say(outcome(goal.to_json()))
    say(f"Written: {out} and {out.with_suffix('.png')}")
    return 0 if all(goal.met for goal in found) else 1


def _rows(chosen: dict[str, float], options: argparse.Namespace, cache: Path) -> list[dict[str, Any]]:
    """A row for each network: compared as many at a time as there are cores, then timed one after another."""
    limits, work = Limits(run=options.limit), options.work
    graphs, kept = work / "graphs", work / "compared"

    def compared(name: str) -> dict[str, Any]:
        return compare(name, chosen[name], pixels_of(name), graphs / name, cache, limits)

    with bar(len(chosen), "Comparing", unit="network") as progress, ThreadPoolExecutor(available_threads()) as pool:
        interrupted = threading.Event()

        def row_of(name: str) -> dict[str, Any]:
            if not (graphs / name).is_dir() and _kept(work / "timed" / f"{name}.json", options) is None:
                (kept / f"{name}.json").unlink(missing_ok=True)  # there would be nothing to time
            row = _once(kept / f"{name}.json", lambda: compared(name), options, interrupted, options.compared)
            say("  ".join([name, *(f"{route}: {stopped_by(row[route]) or 'right'}" for route in ROUTES)]))
            progress.update()
            return row

        jobs = [pool.submit(row_of, name) for name in chosen]
        try:
            rows = {name: job.result() for name, job in zip(chosen, jobs, strict=True)}
        except BaseException:
            interrupted.set()
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise
    timed = []
    with bar(len(chosen), "Timing", unit="network") as progress:
        for name, row in rows.items():
            timing = partial(measure, row, graphs / name, cache, limits)
            timed.append(_once(work / "timed" / f"{name}.json", timing, options))
            shutil.rmtree(graphs / name, ignore_errors=True)
            progress.update()
    return timed


def _once(
    path: Path,
    make: Callable[[], dict[str, Any]],
    options: argparse.Namespace,
    interrupted: threading.Event | None = None,
    elsewhere: bool = False,
) -> dict[str, Any]:
    """A row, made and kept in a file; with ``--resume`` read from there."""
    found = _kept(path, options, elsewhere)
    if found is not None:
        return found
    now = commit()
    row = make()
    if interrupted is None or not interrupted.is_set():  # what was ended has not failed
        state = {"commit": now, "limit": options.limit, "row": row}
        write_atomically(path, (json.dumps(state, indent=1) + "\n").encode())
    return row


def _kept(path: Path, options: argparse.Namespace, elsewhere: bool = False) -> dict[str, Any] | None:
    """A row that this very commit has made, if it may be kept. Of another commit, or with another limit, it would be
    another figure.

    :param elsewhere: take it of another commit without changes too, which the row then names.
    """
    now = commit()
    if not (options.resume and _CLEAN.fullmatch(now)):
        return None
    with suppress(OSError, ValueError):
        state = json.loads(path.read_bytes())
        if state["limit"] == options.limit:
            if state["commit"] == now:
                return dict(state["row"])
            if elsewhere and _CLEAN.fullmatch(state["commit"]):
                return {**state["row"], COMPARED_AT: state["commit"]}
    return None


def _chosen(only: str | None) -> dict[str, float]:
    every = selection()
    if only is None:
        return every
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in every]
    if unknown or not names:
        raise TwinlensError(
            "invalid_arguments",
            f"--only {only}: {f'{unknown[0]!r} is not measured' if unknown else 'no network is named'}. "
            f"The networks are: {', '.join(every)}.",
        )
    return {name: millions for name, millions in every.items() if name in names}


def _command(options: argparse.Namespace) -> str:
    given = [f"--only {options.only}"] if options.only else []
    given += [f"--limit {options.limit:g}"] if options.limit != Limits.run else []
    return "make bench-convert" + (f' ARGS="{" ".join(given)}"' if given else "")


if __name__ == "__main__":
    sys.exit(main())
