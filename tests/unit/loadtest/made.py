"""A made measurement: what a load test would have measured, without measuring."""

from __future__ import annotations

from typing import Any

from loadtest import figures
from loadtest.measure import CellKey, Cost, LoadRow, Measured
from loadtest.options import Options, parse
from loadtest.photos import Gathered
from loadtest.plan import Shot
from loadtest.profiles import WAYS, Way
from loadtest.visits import Visited

# Milliseconds to the first answer, and from one to the next.
PACES: dict[Way, tuple[float, float]] = {"device": (3000, 50), "original": (500, 200), "shrunk": (600, 100)}


def options() -> Options:
    return parse(["--networks", "fibre,4g", "--devices", "desktop,phone", "--core-hour", "0.36"])


def gathered() -> Gathered:
    shots = [Shot(f"{index}.jpg", "phone" if index == 1 else "photo", "image/jpeg", "red", 0.9) for index in range(4)]
    return Gathered(shots, 4, 0, 0)


def visited(way: Way, factor: float, answers: int = 100, **changes: Any) -> Visited:
    first, step = PACES[way]
    found = {
        "answers_ms": [first + step * index for index in range(answers)],
        "warm_first_ms": first / 2,
        "single_ms": [step] * 8,
        "cold_bytes": [1000, 5000 + 100 * answers],
        "single_bytes": [8 * 2000, 8 * 100],
        "wrong": [],
        "errors": [],
        "score_differences": [0.0, 2e-4],
        "share": None if factor == 1 else factor * 1.04,
        "factors": [factor, factor * 1.1],
        "limit": "cgroup quota",
        "chromium": "1.2.3",
    }
    return {**found, **changes}  # type: ignore[typeddict-item]


def measured(**changes: Any) -> Measured:
    """Two lines, two devices, three ways; ``changes`` are those of the cell of 4g, phone, original."""
    wanted, costs, loads, cells = options(), {}, {}, {}
    for way in WAYS:
        costs[way, "visit"] = Cost(seconds=0.1, count=10, wrong=0)
        if way != "device":
            costs[way, "photo"] = Cost(seconds=0.01, count=100, wrong=0)
            costs[way, "phone"] = Cost(seconds=0.05, count=20, wrong=0)
    for network in wanted.networks:
        for device in wanted.devices:
            for way in WAYS:
                special = changes if (network.name, device.name, way) == ("4g", "phone", "original") else {}
                cells[CellKey(network, device, way)] = visited(way, device.factor, **special)
        for way in ("original", "shrunk"):
            summary: Any = {"requests": 9, "failed": 0, "wrong": 0, "per_second": 3.0, "p50_ms": 5.0, "p95_ms": 9.0}
            loads[network.name, way] = LoadRow(users=4, status=0, summary=summary | {"visits": 0, "errors": []})
    return Measured(costs, loads, cells)


def content(found: Measured) -> dict[str, Any]:
    """A result file without the facts about this machine."""
    rows = figures.rows(found, gathered(), options())
    return {
        "command": "make loadtest",
        "commit": "0123456789abcdef",
        "machine": {
            "cores": 2,
            "cpu": "a <processor>",
            "memory_gib": 8,
            "system": "Linux",
            "versions": {"chromium": "1.2.3"},
        },
        "model": {"name": "colours", "version": "v1"},
        "photos": {"of_a_visit": 4, "different": 4, "phone": 1, "undecided": 0, "made": True},
        "networks": [network._asdict() for network in options().networks],
        "devices": [{"name": device.name, "factor": device.factor} for device in options().devices],
        "core_hour": 0.36,
        "definitions": figures.DEFINITIONS,
        "goals": [goal.to_json() for goal in figures.goals(rows, found)],
        "rows": rows,
    }
