"""``python -m benchmarks.bulk PHOTOS``: write ``docs/results/bulk.json``.

``twinlens classify PHOTOS --out FILE`` is run as a user runs it, from its start to the finished file, in several
processes and through Ray Data; by turns with decode and network alone, whose photos lie in memory and whose threads and
batches are the best of dozens of settings (:mod:`benchmarks.serving.ceiling`).
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from benchmarks.arguments import make_command, reported
from benchmarks.process import FAILED
from benchmarks.results import RESULTS, ROOT, Goal, commit, outcome, result, significant, write_result
from benchmarks.serving import ceiling
from training.progress import say
from twinlens.arguments import integer, number
from twinlens.bulk.command import ENGINES, SUFFIX, Engine, parts_of
from twinlens.classify import find
from twinlens.errors import TwinlensError
from twinlens.extras import need
from twinlens.settings import Settings
from twinlens.store import open_current

ROUNDS: Final = 3
SECONDS: Final = 20
WORK: Final = ROOT / "build" / "bench-bulk"
_MOST_PHOTOS: Final = 400
"""That the ceiling holds in memory, spread evenly over the folder."""
_BROKEN: Final = (b"", b"hello", b"\xff\xd8\xff\xe0\x00\x10JFIF")
_DONE: Final = (0, 1)
_LIMIT_SECONDS: Final = 3600

DEFINITIONS: Final = {
    "photos_per_second_vs_ceiling": "photos a second of `twinlens classify --out` on all cores, its start in it, over "
    "those of decode and network alone, median over the rounds",
    "rows_differing": "rows of the two engines' files that are not the same in every column, to the last bit, and rows "
    "that only one has: of all photos in every round, and once of up to 400 of them and three files that are no photos",
    "ceiling": "photos a second of decode and network alone",
}


def differing(one: Path, other: Path) -> int:
    """How many rows two files do not share."""
    return sum(mine != theirs for mine, theirs in itertools.zip_longest(_rows(one), _rows(other)))


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    for batch in need("pyarrow.parquet").ParquetFile(file).iter_batches():
        yield from batch.to_pylist()


def timed(photos: Path, engine: Engine, out: Path) -> float:
    """Photos a second of the command, from its start to its end.

    :raises TwinlensError: ``engine_failed`` if it does not come to its end.
    """
    out.unlink(missing_ok=True)
    shutil.rmtree(parts_of(out), ignore_errors=True)  # of a run that was stopped, which this one would go on with
    command = [sys.executable, "-m", "twinlens", "classify", str(photos), "--out", str(out), "--engine", engine]
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False, env=dict(os.environ)
    )
    seconds = time.monotonic() - started
    if done.returncode not in _DONE:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise TwinlensError("engine_failed", f"`twinlens classify --engine {engine}` did not end well: {last}")
    rows: int = need("pyarrow.parquet").read_metadata(out).num_rows
    return rows / seconds


def compared(photos: Path, work: Path) -> int:
    """Rows that differ between the engines, on some photos and files that are none."""
    folder = work / "few"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = find([photos])
    for index, file in enumerate(files[:: max(1, len(files) // _MOST_PHOTOS)]):
        shutil.copy(file, folder / f"{index}{file.suffix}")
    for index, data in enumerate(_BROKEN):
        (folder / f"broken-{index}.jpg").write_bytes(data)
    outs = [work / f"few-{engine}{SUFFIX}" for engine in ENGINES]
    for engine, out in zip(ENGINES, outs, strict=True):
        timed(folder, engine, out)
    return differing(*outs)


def goals(rows: Sequence[Mapping[str, Any]], differ: int) -> list[Goal]:
    """What was asked for.

    :param rows: what :func:`measure` gives.
    :param differ: what :func:`compared` gives.
    """
    shares = [row["processes"] / row["ceiling"] for row in rows]
    return [
        Goal("rows_differing", differ + sum(row["rows_differing"] for row in rows), "rows", 0, "lower"),
        Goal("photos_per_second_vs_ceiling", statistics.median(shares), "ratio", 0.9, "higher"),
    ]


def measure(photos: Path, work: Path, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A row for each round: photos a second of each engine and of the ceiling, and how many rows the engines' files do
    not share.

    :raises TwinlensError: as :func:`timed` does; ``invalid_data`` if the ceiling reads none of the photos.
    """
    version = open_current(Settings.from_environment().model_folder).path
    files = find([photos])
    some = files[:: max(1, len(files) // _MOST_PHOTOS)]
    say("Trying settings of decode and network alone")
    chosen = ceiling.candidates(version, some)
    if FAILED in chosen:
        raise TwinlensError("invalid_data", f"Decode and network alone do not run: {chosen[FAILED]}")
    rows = []
    for turn in range(rounds):
        best = ceiling.best(version, some, chosen["settings"], seconds)
        if FAILED in best:
            raise TwinlensError("invalid_data", f"Decode and network alone do not run: {best[FAILED]}")
        row: dict[str, Any] = {"round": turn + 1, "ceiling": significant(best["photos_per_second"])}
        for engine in ENGINES:
            row[engine] = significant(timed(photos, engine, work / f"{engine}{SUFFIX}"))
        differ = differing(*(work / f"{engine}{SUFFIX}" for engine in ENGINES))
        rows.append({**row, "rows_differing": differ, "setting": best["setting"]})
        say(str(rows[-1]))
    return rows


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.bulk",
        description=__doc__.split("\n\n")[0],
        epilog="With fewer rounds or seconds than by default, the result stays in the work folder.",
    )
    add = made.add_argument
    add("photos", type=Path, help="folder of photos, some thousand of them")
    add("--rounds", type=integer(1, 100), default=ROUNDS, help="turns of each (%(default)s)")
    add("--seconds", type=number(0.5, 600), default=SECONDS, help="of the ceiling in a turn (%(default)s)")
    add("--work", type=Path, default=WORK, help="folder of the files that are written (build/bench-bulk)")
    return made


def main(given: Sequence[str] | None = None, results: Path = RESULTS) -> int:
    """Measure and write the result; status 1 if a goal is missed, 2 for what cannot be measured.

    :param results: folder of the result of a whole run.
    """
    arguments = parser()
    options = arguments.parse_args(given)

    def run() -> int:
        began, rounds = commit(), int(options.rounds)
        version = open_current(Settings.from_environment().model_folder)
        options.work.mkdir(parents=True, exist_ok=True)
        differ = compared(options.photos, options.work)
        rows = measure(options.photos, options.work, rounds, options.seconds)
        asked = goals(rows, differ)
        whole = rounds >= ROUNDS and options.seconds >= SECONDS
        out = (results if whole else options.work) / "bulk.json"
        model = version.contract.model
        content = result(
            make_command("bench-bulk", arguments, options, ("work",)),
            rows,
            asked,
            commit=began,
            definitions=DEFINITIONS,
            versions={name: metadata.version(name) for name in ("pyarrow", "ray")},
            facts={"model": {"name": model.name, "version": model.version}, "photos": len(find([options.photos]))},
        )
        write_result(out, content)
        for goal in content["goals"]:
            say(outcome(goal))
        say(f"Written: {out}")
        return 0 if all(goal.met for goal in asked) else 1

    return reported(run)


if __name__ == "__main__":
    sys.exit(main())
