"""Rows, goals and definitions of ``docs/results/loadtest.json``, out of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmarks.results import Goal, significant
from benchmarks.scaling import UTILISATION, cost_per_million
from loadtest import model
from loadtest.calibration import TOLERANCE, TOO_FAST
from loadtest.measure import CellKey, Measured, calibrated
from loadtest.model import NTH
from loadtest.options import Options
from loadtest.photos import Gathered
from loadtest.profiles import WAYS, Way
from loadtest.visits import Visited

DEFINITIONS: Final = {
    "wrong_answers": "answers, of pages and of locust's users, whose label is not the golden one",
    "cells_unfilled": "cells of network, device and way that lack a figure, and runs of locust that broke a threshold",
    "way": "device: the page answers; original: the server, photos as they are; shrunk: the server, photos first "
    "resampled in the browser by the contract's resize to a square of its shorter edge and sent as lossless WebP, or "
    "as they are where that is smaller",
    "device": "how fast a thread of it is, as a share of this machine's speed; desktop: no limit",
    "share": "the share of one core that the whole browser was held to, for a loop in its worker to show that factor",
    "factor": "speed of a loop in a worker of the held browser over that of the free one, before and after the visit; "
    f"a cell is measured only if both are within {TOLERANCE:.0%} of the wanted factor",
    "first_s": "from the start of the first visit, nothing cached, to the first answer; all photos are chosen at once, "
    "as soon as the page takes them",
    "hundredth_s": "the same, to the hundredth answer; modelled from the pace of the answers where the visit was cut",
    "warm_first_s": "the same as first_s on a second visit, with what the browser has cached, of one photo",
    "p50_ms": "from choosing a single photo to its answer, one after the other; p95_ms likewise",
    "bytes_up_per_photo": "bytes through the line for a single photo, with headers; bytes_down_per_photo likewise",
    "page_bytes": "bytes down of a first visit without the answers: page, and model where the device answers",
    "server_cpu_ms_per_photo": f"server processor time of a photo of the mix and of 1/{NTH} of a visit's files, "
    "measured with the server busy and without a slow line, what an idle server takes left out",
    "cost_per_million": "server_cpu_ms_per_photo of a million photos at the price of a core-hour",
    "score_difference": "of the best label, from the golden score, over the visit's photos",
    "answers_ms": "when each answer of the first visit came",
    "from_photos": "number of photos from which a visit on the device is over no later than on the server, for good",
    "cores": f"modelled: what a server needs for so many visitors at once, who send {NTH} photos each in "
    f"{model.VISIT_SECONDS / 60:g} minutes, at {UTILISATION:.0%} use",
}
_REQUIRED: Final = (
    "first_s",
    "hundredth_s",
    "warm_first_s",
    "p50_ms",
    "p95_ms",
    "bytes_up_per_photo",
    "bytes_down_per_photo",
    "page_bytes",
    "server_cpu_ms_per_photo",
    "cost_per_million",
)
_AGAINST: Final[tuple[Way, ...]] = ("original", "shrunk")


def rows(measured: Measured, gathered: Gathered, options: Options) -> list[dict[str, Any]]:
    """Every row: cells, who wins from where, locust's runs, what a photo costs, what more visitors would need."""
    cpu = {way: _cpu(measured, way, gathered) for way in WAYS}
    cells = [_cell(key, visited, gathered, cpu[key.way], options) for key, visited in measured.cells.items()]
    loads = [
        {
            "kind": "load",
            "network": network,
            "way": way,
            "users": row["users"],
            "kept_thresholds": row["status"] == 0,
            "answers": row["summary"]["requests"] - row["summary"]["failed"],
            "failed": row["summary"]["failed"],
            "wrong": row["summary"]["wrong"],
            **_rounded(row["summary"], ("per_second", "p50_ms", "p95_ms")),
        }
        for (network, way), row in measured.loads.items()
    ]
    costs = [
        {"kind": "cost", "way": way, "of": what, "cpu_ms": significant(1000 * cost["seconds"]), "count": cost["count"]}
        for (way, what), cost in measured.costs.items()
    ]
    return [*cells, *_wins(measured, gathered), *loads, *costs, *_visitors(cpu, options)]


def goals(found: Sequence[Mapping[str, Any]], measured: Measured) -> list[Goal]:
    """What was asked for."""
    wrong = sum(len(visited["wrong"]) for visited in measured.cells.values())
    wrong += sum(row["summary"]["wrong"] for row in measured.loads.values())
    wrong += sum(cost["wrong"] for cost in measured.costs.values())
    unfilled = sum(row["kind"] == "cell" and not row["measured"] for row in found)
    unfilled += sum(row["kind"] == "load" and not row["kept_thresholds"] for row in found)
    return [Goal("wrong_answers", wrong, "answers", 0, "lower"), Goal("cells_unfilled", unfilled, "cells", 0, "lower")]


def _cell(key: CellKey, visited: Visited, gathered: Gathered, cpu: float | None, options: Options) -> dict[str, Any]:
    series = model.extended(visited["answers_ms"], gathered.cycle)
    singles, answers = visited["single_ms"], len(visited["answers_ms"])
    up, down = (total / len(singles) for total in visited["single_bytes"])
    hundredth = series.at(NTH) if series else (None, "modelled")
    differences = visited["score_differences"]
    figures = {
        "first_s": visited["answers_ms"][0] / 1000 if answers else None,
        "hundredth_s": hundredth[0] and hundredth[0] / 1000,
        "warm_first_s": visited["warm_first_ms"] / 1000,
        "p50_ms": float(np.percentile(singles, 50)),
        "p95_ms": float(np.percentile(singles, 95)),
        "bytes_up_per_photo": up,
        "bytes_down_per_photo": down,
        # An answer that is on its way when a visit is cut off is some hundred bytes too many.
        "page_bytes": visited["cold_bytes"][1] - down * answers,
        "server_cpu_ms_per_photo": cpu and 1000 * cpu,
        "cost_per_million": None if cpu is None else cost_per_million(cpu, options.core_hour),
        "score_difference_mean": statistics.fmean(differences) if differences else None,
        "score_difference_max": max(differences, default=None),
    }
    missing = [name for name in _REQUIRED if figures[name] is None]
    if not calibrated(visited, key.device):
        missing.insert(0, TOO_FAST)
    if visited["errors"]:
        missing.insert(0, visited["errors"][0])
    return {
        "kind": "cell",
        "network": key.network.name,
        "device": key.device.name,
        "way": key.way,
        "measured": not missing,
        "missing": missing,
        "factor_wanted": key.device.factor,
        "share": visited["share"] and significant(visited["share"], 3),
        "factor": [significant(factor, 3) for factor in visited["factors"]],
        "limit": "none" if key.device.share is None else visited["limit"],
        **{name: None if value is None else significant(value) for name, value in figures.items()},
        "hundredth": hundredth[1],
        "wrong": len(visited["wrong"]),
        "answers": answers,
        "answers_ms": [round(time) for time in visited["answers_ms"]],
    }


def _wins(measured: Measured, gathered: Gathered) -> list[dict[str, Any]]:
    """From which number of photos the device wins, against each way of the server, on a first and a second visit."""
    found = []
    for key, ours in measured.cells.items():
        if key.way != "device":
            continue
        for way in _AGAINST:
            theirs = measured.cells[key._replace(way=way)]
            held = calibrated(ours, key.device) and calibrated(theirs, key.device)
            for visit, pair in (
                ("first", (_first(ours, gathered), _first(theirs, gathered))),
                ("second", (_second(ours, gathered), _second(theirs, gathered))),
            ):
                win = model.wins_from(pair[0], pair[1]) if held and pair[0] and pair[1] else None
                found.append(
                    {
                        "kind": "win",
                        "network": key.network.name,
                        "device": key.device.name,
                        "against": way,
                        "visit": visit,
                        "from_photos": win and win.photos,
                        "how": "not measured" if win is None else win.how,
                    }
                )
    return found


def _first(visited: Visited, gathered: Gathered) -> model.Series | None:
    return model.extended(visited["answers_ms"], gathered.cycle)


def _second(visited: Visited, gathered: Gathered) -> model.Series | None:
    step = model.pace(sorted(visited["answers_ms"]), gathered.cycle)
    return None if step is None else model.steady(visited["warm_first_ms"], step)


def _cpu(measured: Measured, way: Way, gathered: Gathered) -> float | None:
    """Server seconds of a photo of the mix."""
    visit = measured.costs.get((way, "visit"))
    if visit is None or not visit["count"]:
        return None
    photo = 0.0
    if way != "device":
        for kind in {shot.kind for shot in gathered.shots}:
            share = sum(shot.kind == kind for shot in gathered.shots) / len(gathered.shots)
            cost = measured.costs.get((way, kind))
            if cost is None or not cost["count"]:
                return None
            photo += share * cost["seconds"]
    return model.cpu_per_photo(photo, visit["seconds"])


def _visitors(cpu: Mapping[Way, float | None], options: Options) -> list[dict[str, Any]]:
    return [
        {
            "kind": "visitors",
            "modelled": True,
            "visitors": visitors,
            "way": way,
            "cores": significant(needed := model.cores(visitors, seconds), 3),
            "cost_per_hour": significant(needed * options.core_hour, 3),
        }
        for visitors in model.VISITORS
        for way, seconds in cpu.items()
        if seconds is not None
    ]


def _rounded(found: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    return {name: significant(found[name]) for name in names}
