"""What is measured: servers, cells, and the order of both.

Every round starts each server afresh. A round's first cell is one connection on a process that has only answered each
photo once; the one after 128 connections is the same again, just after a burst. Not every server is measured with every
size at every number of connections: that would be four hours. Large photos keep the processor busy with few
connections, so each of the two larger sizes has one cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.results import ROOT

OURS: Final = "twinlens"
UNBATCHED: Final = "twinlens_unbatched"
CEILING: Final = "ceiling"
TITLES: Final = {
    OURS: "twinlens",
    UNBATCHED: "twinlens, batching off",
    "fastapi_tutorial": "FastAPI, as a tutorial has it",
    "fastapi_tuned": "FastAPI, our decode and graph",
    "bentoml_documented": "BentoML, documented batching",
    "litserve": "LitServe, batching",
    "flask_eager": "Flask, gunicorn, PyTorch eager",
    CEILING: "ceiling: no HTTP",
}
SERVERS: Final = tuple(TITLES)
"""Everything that has a turn in a round, by name."""
PEERS: Final = SERVERS[2:-1]

SMALL: Final = "500x375"
MIDDLE: Final = "1600x1200"
LARGE: Final = "4000x3000"
SIZES: Final = {SMALL: (500, 375), MIDDLE: (1600, 1200), LARGE: (4000, 3000)}
"""Width and height of the photos, by the name that rows have."""

ROUNDS: Final = 7
SECONDS: Final = 5


class Cell(NamedTuple):
    """One run of wrk against a server.

    ``after_burst``: just after the cell before it, not on a fresh process. ``times``: how many times as long as
    others it lasts.
    """

    size: str
    connections: int
    after_burst: bool = False
    times: int = 1

    @property
    def key(self) -> str:
        """Its name in what is kept of a turn, as JSON."""
        return f"{self.size}, {self.connections}{', after a burst' if self.after_burst else ''}"


FIRST: Final = Cell(SMALL, 1)
# Most goals are read here; and the work on photos that are not answered at its end, which counts as theirs that are,
# has to be small beside the rest.
BUSY: Final = Cell(SMALL, 32, times=2)
CROWDED: Final = Cell(SMALL, 128)
AFTER_BURST: Final = Cell(SMALL, 1, after_burst=True)
HEAVY: Final = Cell(LARGE, 4)
CELLS: Final = (FIRST, Cell(SMALL, 8), BUSY, CROWDED, AFTER_BURST, Cell(MIDDLE, 8), HEAVY)
"""The cells of every server, in the order in which they are measured."""

WARM_UP: Final = Cell(SMALL, 32)
"""What comes after the first cell and does not count: batches of every size are run once."""
WARM_UP_SECONDS: Final = 2
# Start, answers that are checked, waits until a server is idle; the ceiling's settings, once and in each round.
_OVERHEAD_SECONDS: Final = 16.0
_CEILING_ONCE_SECONDS: Final = 90.0
_CEILING_SECONDS: Final = 20.0
_MADE_OF: Final = ("fastapi", "uvicorn", "litserve", "flask", "gunicorn", "torch", "torchvision")


def order(servers: Sequence[str], number: int) -> list[str]:
    """The order of the servers in a round: another one is the first each time, every second round runs backwards.

    :param number: of the round, from 0.
    """
    first = number % len(servers)
    turned = [*servers[first:], *servers[:first]]
    return turned[::-1] if number % 2 else turned


def minutes(servers: Iterable[str], rounds: int, seconds: int) -> float:
    """About how long a run takes."""
    one = sum(cell.times for cell in CELLS) * seconds + WARM_UP_SECONDS + _OVERHEAD_SECONDS
    names = list(servers)
    once = _CEILING_ONCE_SECONDS if CEILING in names else 0.0
    return (once + rounds * sum(_CEILING_SECONDS if name == CEILING else one for name in names)) / 60


def versions(requirements: Path = ROOT / "requirements" / "peers.txt") -> dict[str, str]:
    """Versions of what the peers are made of, as their environment pins them."""
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", requirements.read_text(encoding="utf-8"), re.MULTILINE))
    return {name: pins[name] for name in _MADE_OF if name in pins}
