"""What ``python -m loadtest`` is told, and the command that makes its result again."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.results import RESULTS, ROOT, portable
from loadtest.limit import Method
from loadtest.profiles import DEVICES, NETWORKS, Device, Network
from twinlens.errors import TwinlensError

WORK: Final = ROOT / "build" / "loadtest"
_NOT_IN_COMMAND: Final = ("photos", "out", "work", "fresh")


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


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line.

    :raises TwinlensError: ``invalid_data`` if the photos are in no folder.
    """
    parser = argparse.ArgumentParser(prog="python -m loadtest", description="Compare server and device under load.")
    add = parser.add_argument
    add("photos", nargs="?", type=Path, help="folder of photos; pictures made by code without it")
    add("--count", type=_number(int, 1), default=100, help="photos of a visit (%(default)s)")
    add("--phone-share", type=_number(float, 0, 1), default=0.1, help="share of 12-megapixel ones (%(default)s)")
    add("--phone-size", type=_size, default=(4000, 3000), metavar="WxH", help="size of those, for trying (4000x3000)")
    add("--networks", type=_names(NETWORKS), default=list(NETWORKS), help=f"some of {','.join(NETWORKS)}")
    add("--devices", type=_names(DEVICES), default=list(DEVICES), help=f"some of {','.join(DEVICES)}")
    add("--seconds", type=_number(float, 1), default=240.0, help="longest first visit; beyond, it is modelled")
    add("--load-seconds", type=_number(float, 1), default=20.0, help="how long a stage of locust lasts (%(default)s)")
    add("--load-users", type=_number(int, 1), default=16, help="users of locust's last stage (%(default)s)")
    add("--core-hour", type=_number(float, 0), default=0.04, help="price of one core for an hour (%(default)s)")
    add("--limit", choices=("auto", "cgroup", "signals"), default="auto", help="what makes devices slow (%(default)s)")
    add("--fresh", action="store_true", help="measure everything anew instead of going on where a run was stopped")
    add("--work", type=Path, default=WORK, help="folder of what is measured so far (build/loadtest)")
    add("--out", type=Path, default=RESULTS / "loadtest.json", help="result file; the page goes beside it")
    given = parser.parse_args(arguments)
    if given.photos is not None and not given.photos.is_dir():
        raise TwinlensError("invalid_data", f"{given.photos} is not a folder. Name the folder of the photos.")
    more = [
        f"--{name.replace('_', '-')} {_shown(value)}"
        for name, value in vars(given).items()
        if name not in _NOT_IN_COMMAND and value != parser.get_default(name)
    ]
    command = "make loadtest" + (f" PHOTOS={portable(given.photos)}" if given.photos else "")
    return Options(
        **vars(given)
        | {
            "networks": [NETWORKS[name] for name in given.networks],
            "devices": [DEVICES[name] for name in given.devices],
            "command": command + (f' ARGS="{" ".join(more)}"' if more else ""),
        }
    )


def _number(kind: type[int] | type[float], low: float, high: float = 1e9) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a number from {low:g} to {high:g}")
        return value

    return read


def _names(known: Mapping[str, Any]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(known)}")
        return names

    return read


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return ",".join(value) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else str(value)
