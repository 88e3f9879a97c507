"""Write the two files of an evaluation: ``metrics.json`` and ``report.html``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from training.report.activation import Pictures, pictures
from training.report.figures import costliest, figures
from training.report.page import render
from training.run import as_json
from training.target import Measured
from twinlens.store import write_atomically

METRICS: Final = "metrics.json"
REPORT: Final = "report.html"


def write(measured: Measured, folder: Path, page: bool = False) -> None:
    """Write the metrics and the report of what was measured; those of an earlier measurement are replaced.

    :param folder: where they go; it is made if need be.
    :param page: time the page in Chromium as well, where both are there.
    :raises TwinlensError: ``invalid_model`` if a file of the model is not its contract's.
    """
    metrics = figures(measured, page)
    worst = costliest(measured)
    shown: list[Pictures] = pictures(measured, worst)
    write_atomically(folder / METRICS, as_json(metrics))
    write_atomically(folder / REPORT, render(measured, metrics, shown))
