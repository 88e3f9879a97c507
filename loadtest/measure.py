"""The whole measurement, step by step: what the server's work costs, locust on every line, a browser in every cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypedDict

from benchmarks.results import checkout
from benchmarks.server import Served, served
from browser.built import PAGE
from loadtest import visits
from loadtest.calibration import holds
from loadtest.kept import Kept, key_of
from loadtest.load import run
from loadtest.options import Options
from loadtest.photos import Gathered
from loadtest.plan import Plan, Shot, Stage, Summary, Thresholds
from loadtest.processes import tree_seconds
from loadtest.profiles import WAYS, Device, Network, Way
from loadtest.proxy import Proxy
from loadtest.visits import Visited
from twinlens.decode import MEDIA_TYPES, sniff
from twinlens.settings import Settings

USERS: Final = {"one": 6, "burst": 1, "phone": 1}
"""Locust's user mix, by weight."""
_TRIES: Final = 3
_IDLE_SECONDS: Final = 5.0
# An upload of 4 MB takes minutes on a slow line, and the server's own deadline is no part of the comparison.
_SETTINGS: Final = {"TWINLENS_TIMEOUT_S": "3600"}


class Cost(TypedDict):
    """Server processor seconds of one thing, over ``count`` of them under load, what an idle server takes left out."""

    seconds: float
    count: int
    wrong: int


class LoadRow(TypedDict):
    """One run of locust on a line."""

    users: int
    status: int
    summary: Summary


class CellKey(NamedTuple):
    """One cell."""

    network: Network
    device: Device
    way: Way


@dataclass(frozen=True)
class Measured:
    """Everything that was measured. ``costs`` is keyed by way and ``photo``, ``phone`` or ``visit``."""

    costs: Mapping[tuple[Way, str], Cost]
    loads: Mapping[tuple[str, Way], LoadRow]
    cells: Mapping[CellKey, Visited]


def measure(options: Options, gathered: Gathered, digest: str, python: Path, say: Callable[[str], None]) -> Measured:
    """Measure everything that was not measured before.

    :param gathered: the photos of a visit.
    :param digest: the model's.
    :param python: the interpreter of locust's environment.
    :param say: told what is done, a line each.
    :raises TwinlensError: what is wrong with the pages, the server or locust.
    """
    shots = gathered.shots
    # The checkout is among them: what a result says it was measured with has to be true of all of it.
    facts = [checkout(), digest, options.count, options.phone_share, options.seconds, options.limit]
    facts += [options.load_seconds, options.load_users]
    key = key_of(shots, [PAGE, visits.UPLOAD_PAGE], facts)
    kept = Kept(options.work, key, say, fresh=options.fresh)
    site = visits.write_site(options.work / "site")
    settings = Settings.from_environment().to_environment() | _SETTINGS | {"TWINLENS_PAGE": str(site)}
    with served(settings) as server:
        sent: dict[Way, Sequence[Shot]] = {"original": shots, "shrunk": _shrunk(server.url, shots, kept.folder)}
        costs = {
            (way, what): kept.step(
                f"cost-{way}-{what}",
                partial(_cost, server, python, options, kept, way, what, sent.get(way, shots)),
            )
            for way in WAYS
            for what in ("visit", "photo", "phone")
            if what == "visit" or any(shot.kind == what for shot in sent.get(way, ()))
        }
        loads = {
            (network.name, way): kept.step(
                f"load-{network.name}-{way}",
                partial(_load, server, python, options, kept, network, way, sent[way]),
            )
            for network in options.networks
            for way in sent
        }
        keys = [CellKey(*key) for key in _product(options)]
        cells = {
            key: kept.step(
                f"visit-{key.network.name}-{key.device.name}-{key.way}",
                partial(_visit, server.url, key, gathered, options, say),
            )
            for key in keys
        }
    return Measured(costs, loads, cells)


def calibrated(visited: Visited, device: Device) -> bool:
    """Whether the loop in a worker showed the wanted factor, before the visit and after it."""
    return all(holds(device.factor, factor) for factor in visited["factors"])


def _product(options: Options) -> Iterator[tuple[Network, Device, Way]]:
    # The ways of a device on a line follow one another, so that the machine is much the same for them.
    for network in options.networks:
        for device in options.devices:
            for way in WAYS:
                yield network, device, way


def _shrunk(url: str, shots: Sequence[Shot], folder: Path) -> list[Shot]:
    """What the upload page sends when it shrinks photos, as files. Only their label must be the golden one."""
    distinct = list({shot.path: shot for shot in shots}.values())
    files: dict[str, Shot] = {}
    (folder / "shrunk").mkdir(parents=True, exist_ok=True)
    for index, (shot, body) in enumerate(zip(distinct, visits.shrunk_bodies(url, distinct), strict=True)):
        path = folder / "shrunk" / f"{index:04}"
        path.write_bytes(body)
        files[shot.path] = replace(shot, path=str(path), media_type=MEDIA_TYPES[sniff(body)], score=None)
    return [files[shot.path] for shot in shots]


def _cost(
    server: Served, python: Path, options: Options, kept: Kept, way: Way, what: str, shots: Sequence[Shot]
) -> Cost:
    """Keep the server busy with one thing, and divide the processor time that it took."""
    page = visits.requests(server.url, way, shots[0]) if what == "visit" else []
    some = [shot for shot in shots if what in ("visit", shot.kind)]
    users = {"visit": 1} if what == "visit" else {"one": 1}
    stages = [Stage(options.load_seconds, min(options.load_users, 8), 8)]
    plan = Plan(some, users, stages, Thresholds(), pause_seconds=0.0, page=page)
    idle_from, began = tree_seconds(server.pid), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    begin, start = tree_seconds(server.pid), time.monotonic()
    idle = (begin - idle_from) / (start - began)
    summary = run(python, plan, server.url, kept.folder / "locust" / f"cost-{way}-{what}").summary
    used = tree_seconds(server.pid) - begin - idle * (time.monotonic() - start)
    count = summary["visits"] if what == "visit" else summary["requests"] - summary["failed"]
    return {"seconds": max(used, 0.0) / max(count, 1), "count": count, "wrong": summary["wrong"]}


def _load(
    server: Served, python: Path, options: Options, kept: Kept, network: Network, way: Way, shots: Sequence[Shot]
) -> LoadRow:
    """Locust's user mix in two stages, every connection on a line of its own."""
    users = options.load_users
    stages = [Stage(options.load_seconds, max(users // 2, 1), users), Stage(options.load_seconds, users, users)]
    plan = Plan(shots, USERS, stages, Thresholds())
    with Proxy(network, server.url, shared=False) as proxy:
        done = run(python, plan, proxy.url, kept.folder / "locust" / f"{network.name}-{way}")
    return {"users": users, "status": done.status, "summary": done.summary}


def _visit(url: str, key: CellKey, gathered: Gathered, options: Options, say: Callable[[str], None]) -> Visited:
    """One cell; again if the device was not as slow as it should have been."""
    for attempt in range(1, _TRIES + 1):
        found = visits.measure(
            key.way, key.network, key.device, url, gathered.shots, gathered.cycle, options.seconds, options.limit
        )
        if calibrated(found, key.device):
            break
        say(f"  the device was {found['factors']} times as fast, not {key.device.factor:g} (try {attempt} of {_TRIES})")
    return found
