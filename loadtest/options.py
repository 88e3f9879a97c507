"""What ``python -m loadtest`` is told, and the command that makes its result again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.arguments import make_command, names
from benchmarks.results import RESULTS, ROOT
from loadtest.limit import Method
from loadtest.profiles import DEVICES, NETWORKS, Device, Network
from twinlens.arguments import integer, number
from twinlens.errors import TwinlensError

WORK: Final = ROOT / "build" / "loadtest"
_NOT_IN_COMMAND: Final = ("out", "work", "fresh")
_AT_LEAST: Final = ("count", "phone_share", "phone_size", "seconds", "load_seconds", "load_users")
"""Options that make a run a partial one when they are below their defaults."""


@dataclass(frozen=True)
class Options:
    """One load test; :func:`parse` says what each is."""

    photos: Path | None
    count: int
    phone_share: float
    phone_size: tuple[int, int]
    networks: Sequence[Network]
    devices: Sequence[Device]
    seconds: float
    load_seconds: float
    load_users: int
    core_hour: float
    limit: Method
    fresh: bool
    work: Path
    out: Path
    command: str


def parse(arguments: Sequence[str] | None = None, results: Path = RESULTS) -> Options:
    """Read the command line.

    :param results: folder of the result of a whole run; a partial one's stays in ``--work``.
    :raises TwinlensError: ``invalid_data`` if the photos are in no folder.
    """
    parser = argparse.ArgumentParser(
        prog="python -m loadtest",
        description="Compare server and device under load.",
        epilog="The result of a partial run (some networks or devices only, fewer or smaller photos, less time or "
        "load) stays in the work folder.",
    )
    add = parser.add_argument
    add("photos", nargs="?", type=Path, help="folder of photos; pictures made by code without it")
    add("--count", type=integer(1), default=100, help="photos of a visit (%(default)s)")
    add("--phone-share", type=number(0, 1), default=0.1, help="share of 12-megapixel ones (%(default)s)")
    add("--phone-size", type=_size, default=(4000, 3000), metavar="WxH", help="size of those, for trying (4000x3000)")
    add("--networks", type=names(NETWORKS), default=list(NETWORKS), help=f"some of {','.join(NETWORKS)}")
    add("--devices", type=names(DEVICES), default=list(DEVICES), help=f"some of {','.join(DEVICES)}")
    add("--seconds", type=number(1, 86_400), default=120.0, help="longest first visit; beyond, it is modelled")
    add("--load-seconds", type=number(1, 86_400), default=20.0, help="how long a stage of locust lasts (%(default)s)")
    add("--load-users", type=integer(1), default=16, help="users of locust's last stage (%(default)s)")
    add("--core-hour", type=number(0, 1e9), default=0.04, help="price of one core for an hour (%(default)s)")
    add("--limit", choices=("auto", "cgroup", "signals"), default="auto", help="what makes devices slow (%(default)s)")
    add("--fresh", action="store_true", help="measure everything anew instead of going on where a run was stopped")
    add("--work", type=Path, default=WORK, help="folder of what is measured so far (build/loadtest)")
    add("--out", type=Path, metavar="FILE", help="result file (docs/results/loadtest.json); the page goes beside it")
    given = parser.parse_args(arguments)
    if given.photos is not None and not given.photos.is_dir():
        raise TwinlensError("invalid_data", f"{given.photos} is not a folder. Name the folder of the photos.")
    whole = (
        set(given.networks) == set(NETWORKS)
        and set(given.devices) == set(DEVICES)
        and all(getattr(given, name) >= parser.get_default(name) for name in _AT_LEAST)
    )
    return Options(
        **vars(given)
        | {
            "out": given.out or (results if whole else given.work) / "loadtest.json",
            "networks": [NETWORKS[name] for name in given.networks],
            "devices": [DEVICES[name] for name in given.devices],
            "command": make_command("loadtest", parser, given, _NOT_IN_COMMAND),
        }
    )


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)
