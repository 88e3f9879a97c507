"""``metrics.json``: every figure of an evaluation. ``docs/metrics.md`` says what each key holds, and its unit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from browser.latency import page_latency
from training.target import Measured
from twinlens import __version__
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.footprint import export_sizes, latencies, machine
from twinlens.inference import softmax
from twinlens.metrics import (
    calibration_error,
    calibration_error_by_chance,
    confusion,
    losses,
    reliability,
)
from twinlens.settings import Settings
from twinlens.store import ModelVersion

SCHEMA_VERSION: Final = 1
_SHOWN: Final = 24
_NOT_ASKED: Final = "the measurement was left out (--no-page)"


def figures(measured: Measured, page: bool = False) -> dict[str, Any]:
    """Everything that ``metrics.json`` holds.

    :param measured: the answers, and the figures that are printed too.
    :param page: time the page in Chromium as well.
    :raises TwinlensError: ``invalid_model`` if a file of the model is not its contract's.
    """
    targets, calibration = measured.targets, measured.calibration
    scores = softmax(measured.logits, calibration.temperature)
    by_chance, by_chance_p95 = calibration_error_by_chance(scores)
    return {
        "schema_version": SCHEMA_VERSION,
        "twinlens": __version__,
        **measured.result,
        "calibration": {
            "fitted": calibration.fitted,
            "ece_without_temperature": calibration_error(reliability(softmax(measured.logits, 1.0), targets)),
            "ece_equal_number": calibration_error(reliability(scores, targets, of_equal="number")),
            "ece_by_chance": by_chance,
            "ece_by_chance_p95": by_chance_p95,
            "bins": [each.to_json() for each in reliability(scores, targets)],
        },
        "confusion": {"labels": list(measured.target.labels), "counts": confusion(scores, targets).tolist()},
        "highest_loss": [_photo(measured, index) for index in costliest(measured)],
        **_costs(measured, page),
    }


def costliest(measured: Measured) -> list[int]:
    """Indices of the photos whose right label was given the least score, the worst first, at most 24."""
    scores = softmax(measured.logits, measured.calibration.temperature)
    order = np.argsort(-losses(scores, measured.targets), kind="stable")
    return [int(index) for index in order[:_SHOWN]]


def _photo(measured: Measured, index: int) -> dict[str, Any]:
    sample, labels = measured.samples[index], measured.target.labels
    scores = softmax(measured.logits[index], measured.calibration.temperature)
    answer = int(scores.argmax())
    return {
        "photo": sample.path.relative_to(measured.photos.path).as_posix(),
        "label": labels[sample.label],
        "label_score": float(scores[sample.label]),
        "answer": labels[answer],
        "answer_score": float(scores[answer]),
        "loss": float(losses(scores[None], np.array([sample.label]))[0]),
    }


def _costs(measured: Measured, page: bool) -> dict[str, Any]:
    """Bytes and milliseconds of the exports; a run has none."""
    version = measured.target.version
    if version is None:
        return {"exports": None, "latency": None, "page_latency": None, "machine": machine()}
    classifier = Classifier(version, Settings())
    photos = [sample.path for sample in measured.samples]
    (latency,) = latencies([classifier], photos)
    return {
        "exports": export_sizes(version),
        "latency": latency,
        "page_latency": _page_latency(version, photos) if page else _not_measured(_NOT_ASKED),
        "machine": machine(),
    }


def _page_latency(version: ModelVersion, photos: Sequence[Path]) -> dict[str, Any]:
    """The page's milliseconds; an evaluation is worth having without them, where there is no page or no Chromium."""
    try:
        return {**page_latency(version, photos), "not_measured": None}
    except TwinlensError as error:
        sys.stderr.write(f"The page was not timed: {error.detail}\n")
        return _not_measured(error.detail)


def _not_measured(reason: str) -> dict[str, Any]:
    return {"photo": None, "network": None, "backend": None, "browser": None, "not_measured": reason}
