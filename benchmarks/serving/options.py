"""What ``python -m benchmarks.serving`` is told, and the command that makes its result again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.arguments import make_command, names
from benchmarks.results import RESULTS, ROOT
from benchmarks.serving.plan import CELLS, ROUNDS, SECONDS, SERVERS, minutes
from twinlens.arguments import integer
from twinlens.errors import TwinlensError

WORK: Final = ROOT / "build" / "bench-server"
_NOT_IN_COMMAND: Final = ("work", "cache", "fresh")


@dataclass(frozen=True)
class Options:
    """One run; :func:`parse` says what each is. ``out`` is the result file."""

    photos: Path | None
    only: Sequence[str]
    rounds: int
    seconds: int
    fresh: bool
    work: Path
    cache: Path | None
    out: Path
    command: str


def parse(arguments: Sequence[str] | None = None, results: Path = RESULTS) -> Options:
    """Read the command line.

    :param results: folder of the result of a whole run; a partial one's stays in ``--work``.
    :raises TwinlensError: ``invalid_data`` if the photos are in no folder.
    """
    cells = ", ".join(
        f"{cell.size} with {cell.connections}{' just after' if cell.after_burst else ''}" for cell in CELLS
    )
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description="Compare our server with others of its kind under wrk, and with decode and inference alone.",
        epilog=f"Cells of each server (photos, connections): {cells}. Every round starts each server afresh, in an "
        "order that changes. By default that takes about "
        f"{minutes(SERVERS, ROUNDS, SECONDS):.0f} minutes, in which nothing else should run. A run that was stopped "
        "goes on with the servers and rounds that it has not measured. The result of a partial run (fewer servers, "
        "rounds or seconds) stays in the work folder.",
    )
    add = parser.add_argument
    add("photos", nargs="?", type=Path, help="folder of photos; crops of scikit-image's pictures without it")
    add("--only", type=names(SERVERS), default=list(SERVERS), metavar="A,B", help=f"some of {','.join(SERVERS)}")
    add("--rounds", type=integer(1), default=ROUNDS, help="how often each is measured (%(default)s)")
    add(
        "--seconds",
        type=integer(1),
        default=SECONDS,
        help="whole seconds of a cell, twice that with 32 connections (%(default)s)",
    )
    add("--fresh", action="store_true", help="measure everything anew instead of going on where a run was stopped")
    add("--work", type=Path, default=WORK, help="folder of photos and of what is measured so far (build/bench-server)")
    add("--cache", type=Path, metavar="FOLDER", help="folder of environments of the peers and for a GPU")
    given = parser.parse_args(arguments)
    if given.photos is not None and not given.photos.is_dir():
        raise TwinlensError("invalid_data", f"{given.photos} is not a folder. Name the folder of the photos.")
    whole = set(given.only) == set(SERVERS) and given.rounds >= ROUNDS and given.seconds >= SECONDS
    return Options(
        **vars(given)
        | {
            "only": [name for name in SERVERS if name in given.only],
            "out": (results if whole else given.work) / "server.json",
            "command": make_command("bench-server", parser, given, _NOT_IN_COMMAND),
        }
    )
