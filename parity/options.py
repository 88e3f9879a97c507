"""What ``python -m parity`` and ``python -m parity.dct`` are told, and the command that makes their result again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import portable
from twinlens.arguments import integer
from twinlens.errors import TwinlensError


@dataclass(frozen=True)
class Options:
    """Which photos to measure on, how many large JPEGs to make, and where the result goes."""

    photos: Path | None
    large: int
    out: Path
    command: str
    """The command that makes the result again, with paths relative to the repository."""


def parse(module: str, description: str, out: Path, arguments: Sequence[str] | None) -> Options:
    """Read the command line of one of the two measurements.

    :param module: the module that ``python -m`` runs; ``make`` has a target of that name, with ``-`` for ``.``.
    :param out: the result file by default.
    :raises TwinlensError: ``invalid_data`` if the photos are in no folder.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument(
        "photos", nargs="?", type=Path, help="folder of photos, searched with its subfolders; scikit-image's without it"
    )
    parser.add_argument(
        "--large", type=integer(0), default=24, help="how many large JPEGs to make of each size (%(default)s)"
    )
    parser.add_argument("--out", type=Path, default=out, help="result file (%(default)s)")
    options = parser.parse_args(arguments)
    photos: Path | None = options.photos
    if photos is not None and not photos.is_dir():
        raise TwinlensError("invalid_data", f"{photos} is not a folder. Name the folder of the photos.")
    more = [] if options.large == parser.get_default("large") else [f"--large {options.large}"]
    if photos is None:
        command = " ".join([f"python -m {module}", *more])
    else:
        args = [f'ARGS="{" ".join(more)}"'] if more else []
        command = " ".join([f"make {module.replace('.', '-')} PHOTOS={portable(photos)}", *args])
    return Options(photos, options.large, options.out, command)
