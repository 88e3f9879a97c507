"""What ``python -m benchmarks.page`` is told, and the command that makes its result again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.arguments import make_command, names
from benchmarks.page.plan import OURS, PAGES, PHOTOS, ROUNDS, minutes
from benchmarks.results import RESULTS, ROOT
from twinlens.arguments import integer
from twinlens.errors import TwinlensError

WORK: Final = ROOT / "build" / "bench-page"
_NOT_IN_COMMAND: Final = ("work", "cache", "fresh")


@dataclass(frozen=True)
class Options:
    """One run; :func:`parse` says what each is. ``out`` is the result file; ``whole``: it is the one of the docs."""

    photos: Path | None
    only: Sequence[str]
    rounds: int
    warm: int
    fresh: bool
    work: Path
    cache: Path | None
    out: Path
    whole: bool
    command: str


def parse(arguments: Sequence[str] | None = None, results: Path = RESULTS) -> Options:
    """Read the command line.

    :param results: folder of the result of a whole run; a partial one's stays in ``--work``.
    :raises TwinlensError: ``invalid_data`` if the photos are in no folder.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page",
        description="Compare our page with others that classify a photo on the visitor's device.",
        epilog="Every round opens each page in browsers of its own, in an order that changes. By default that takes "
        f"about {minutes(PAGES, ROUNDS):.0f} minutes, in which nothing else should run, once the peers' packages and "
        "weights are there. With photos, a data set as training takes it, the smallest weights of each peer that keep "
        "the accuracy are found first; without, those that were found for the same model are made again. A run that "
        "was stopped goes on with the pages and rounds that it has not measured. The result of a partial run (fewer "
        "pages, rounds or photos) stays in the work folder.",
    )
    add = parser.add_argument
    add("photos", nargs="?", type=Path, help="data set with train, validation and test; scikit-image's without it")
    add("--only", type=names(PAGES), default=list(PAGES), metavar="A,B", help=f"some of {','.join(PAGES)}")
    add("--rounds", type=integer(1), default=ROUNDS, help="how often each is measured (%(default)s)")
    add("--warm", type=integer(1), default=PHOTOS, help="warm photos of a page in a round (%(default)s)")
    add("--fresh", action="store_true", help="measure everything anew instead of going on where a run was stopped")
    add("--work", type=Path, default=WORK, help="folder of photos, weights and results so far (build/bench-page)")
    add("--cache", type=Path, metavar="FOLDER", help="folder of the peers' packages and environments")
    given = parser.parse_args(arguments)
    if given.photos is not None and not given.photos.is_dir():
        raise TwinlensError("invalid_data", f"{given.photos} is not a folder. Name the folder of the photos.")
    if OURS not in given.only:
        parser.error(f"--only needs {OURS}, which the others are compared with")
    whole = set(given.only) == set(PAGES) and given.rounds >= ROUNDS and given.warm >= PHOTOS
    return Options(
        **vars(given)
        | {
            "only": [name for name in PAGES if name in given.only],
            "out": (results if whole else given.work) / "page.json",
            "whole": whole,
            "command": make_command("bench-page", parser, given, _NOT_IN_COMMAND),
        }
    )
