"""``python -m benchmarks.scaling``: from the photos a second that are wanted to replicas, cores and cost.

What one replica manages comes from ``docs/results/server.json`` (``make bench-server``), or from ``--per-replica``. The
rest is arithmetic, and says so: no replicas are run.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.results import RESULTS, portable, read_result, significant
from twinlens.arguments import integer, number
from twinlens.errors import TwinlensError

UTILISATION: Final = 0.6
"""The share of its cores that a server is planned to use; queues grow long above it."""
HOURS_PER_MONTH: Final = 730.0
_SECONDS_PER_HOUR: Final = 3600.0
_POSITIVE: Final = number(0, above=True)


@dataclass(frozen=True)
class Replica:
    """What one replica does: photos a second at its limit, on so many cores; and, where it is known, CPU seconds that
    1,000 photos take."""

    per_second: float
    cores: float
    cpu_seconds_per_1000: float | None


@dataclass(frozen=True)
class Scale:
    """What is needed: replicas in all, ``spare`` ones among them; their cores, and what those cost a month."""

    replicas: int
    spare: int
    cores: float
    cost_per_month: float


def scale(replica: Replica, rate: float, core_hour: float, headroom: float, spare: int) -> Scale:
    """How many replicas answer so many photos a second at the peak.

    :param rate: photos a second at the peak.
    :param core_hour: the price of one core for an hour.
    :param headroom: the share of each replica's photos a second that is kept free, 0 or more and below 1.
    :param spare: replicas beyond those, for one that is replaced or whose node fails.
    """
    replicas = math.ceil(significant(rate / (replica.per_second * (1 - headroom)), 9)) + spare
    cores = replicas * replica.cores
    return Scale(replicas, spare, cores, cores * core_hour * HOURS_PER_MONTH)


def cost_per_million(cpu_seconds: float, core_hour: float) -> float:
    """What a million photos cost.

    :param cpu_seconds: seconds of a core for one photo.
    :param core_hour: the price of one core for an hour.
    """
    return 1e6 * cpu_seconds / _SECONDS_PER_HOUR * core_hour


def measured(path: Path, server: str, connections: int, photo: str) -> Replica:
    """What a replica was measured to do.

    :param path: the result file of ``make bench-server``.
    :param server: the row's ``server``, with its ``connections``.
    :param photo: its ``size``.
    :raises TwinlensError: ``invalid_data`` if there is no such file, or not exactly one such row with its figures.
    """
    if not path.is_file():
        raise TwinlensError(
            "invalid_data",
            f"There is no {portable(path)}. Measure it with `make bench-server`, or say what a replica manages: "
            "--per-replica 100 --cores 2.",
        )
    named = {"server": server, "connections": connections, "size": photo}
    asked = {**named, "after_burst": False}
    try:
        content = read_result(path)
        found = [row for row in content["rows"] if all(row.get(name) == value for name, value in asked.items())]
        if len(found) != 1:
            there = sorted({" ".join(f"{row.get(name)}" for name in named) for row in content["rows"]})
            raise TwinlensError(
                "invalid_data",
                f"{portable(path)} has {len(found)} rows of server {server}, {connections} connections and photo "
                f"{photo}; it takes one. There are: {'; '.join(there)}.",
            )
        (row,) = found
        cpu: float | None = row.get("cpu_seconds_per_1000")
        per_second, cores = row["requests_per_second"], content["machine"]["cores"]
        return Replica(_POSITIVE(str(per_second)), _POSITIVE(str(cores)), cpu)
    except (KeyError, TypeError, ValueError, AttributeError, argparse.ArgumentTypeError):
        raise TwinlensError(
            "invalid_data", f"{portable(path)} lacks the figures of that row, or its machine. Measure it anew."
        ) from None


def report(replica: Replica, need: Scale, rate: float, mean: float, core_hour: float, headroom: float) -> str:
    """The whole calculation in lines, each with what it is made of.

    :param mean: photos a second over the whole month, which the month's cost is shared among.
    """
    a_month = mean * _SECONDS_PER_HOUR * HOURS_PER_MONTH / 1e6
    planned = replica.per_second * (1 - headroom)
    lines = {
        "wanted": f"{rate:g} photos/s at the peak, {mean:g} on average",
        "one replica": f"{replica.per_second:g} photos/s on {_cores(replica.cores)}; "
        f"planned for {planned:.4g}, {headroom:.0%} kept free",
        "replicas": f"{need.replicas}: {need.replicas - need.spare} for the peak, {need.spare} spare",
        "cores": f"{need.cores:g}",
        "cost per month": f"{need.cost_per_month:.2f}: {_cores(need.cores)}, {HOURS_PER_MONTH:g} hours, "
        f"{core_hour:g} a core-hour",
        "cost per million": f"{need.cost_per_month / a_month:.4g}: of {a_month:.4g} million photos a month",
    }
    if replica.cpu_seconds_per_1000 is not None:
        least = cost_per_million(replica.cpu_seconds_per_1000 / 1000, core_hour)
        lines["at full use"] = f"{least:.4g} a million: {replica.cpu_seconds_per_1000:g} CPU seconds per 1,000 photos"
    width = max(map(len, lines))
    return "".join(f"{name:<{width}}  {text}\n" for name, text in lines.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the calculation; status 2 if something that it needs is missing or cannot be."""
    options = _parser().parse_args(arguments)
    try:
        given: dict[str, Any] = {"cores": options.cores, "cpu_seconds_per_1000": options.cpu_per_1000}
        if options.per_replica is None:
            found = measured(options.results, options.server, options.connections, options.photo)
            if any(value is not None for value in given.values()):
                raise TwinlensError("invalid_arguments", "--cores and --cpu-per-1000 belong to --per-replica.")
        elif options.cores is None:
            raise TwinlensError("invalid_arguments", "Say on how many cores it does that: --cores 2.")
        else:
            found = Replica(options.per_replica, **given)
        mean = options.rate if options.mean is None else options.mean
        if mean > options.rate:
            raise TwinlensError("invalid_arguments", "--mean is the month's average, and cannot be above --rate.")
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    need = scale(found, options.rate, options.price, options.headroom, options.spare)
    sys.stdout.write(report(found, need, options.rate, mean, options.price, options.headroom))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description="Replicas and cost for so many photos a second."
    )
    parser.add_argument("--rate", type=_POSITIVE, required=True, help="photos a second at the peak")
    parser.add_argument("--mean", type=_POSITIVE, help="photos a second over the whole month (as at the peak)")
    parser.add_argument("--price", type=_POSITIVE, required=True, help="of one core for an hour, in any currency")
    parser.add_argument(
        "--headroom", type=number(0, 1, below=True), default=1 - UTILISATION, help="share kept free (%(default)g)"
    )
    parser.add_argument("--spare", type=integer(0), default=1, help="replicas beyond those needed (%(default)s)")
    parser.add_argument("--per-replica", type=_POSITIVE, help="photos a second of one replica, instead of a result")
    parser.add_argument("--cores", type=_POSITIVE, help="cores of that replica")
    parser.add_argument("--cpu-per-1000", type=_POSITIVE, help="CPU seconds that 1,000 photos take it")
    parser.add_argument("--results", type=Path, default=RESULTS / "server.json", help="what `make bench-server` wrote")
    parser.add_argument("--server", default="twinlens", help="of which server there (%(default)s)")
    parser.add_argument("--connections", type=integer(0), default=32, help="with so many connections (%(default)s)")
    parser.add_argument("--photo", default="500x375", help="and photos of this size (%(default)s)")
    return parser


def _cores(number: float) -> str:
    return f"{number:g} core{'' if number == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
