"""The arguments that ``train`` and ``tune`` have in common: where they run, and with how much."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from twinlens.arguments import integer


def add_running(parser: argparse.ArgumentParser, default: Mapping[str, Any]) -> None:
    """Declare ``--device``, ``--workers``, ``--memory-mib`` and ``--resume``.

    :param default: values by the names of the fields; ``workers`` has none, its field is left as it is.
    """
    add = parser.add_argument
    add("--device", choices=["auto", "cpu", "cuda"], default=default["device"], help="where the network runs")
    add(
        "--workers",
        type=integer(0),
        default=argparse.SUPPRESS,
        help="processes that augment (default: one; with a GPU or too little memory as many as there are cores)",
    )
    add(
        "--memory-mib",
        type=integer(0),
        default=default["memory_mib"],
        help="most memory for decoded photos, in MiB; never more than half of what is free",
    )
    add("--resume", action="store_true", help="go on where the run in --out stopped")
