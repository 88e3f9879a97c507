"""Two models on the same photos: the figures of both, and the photos on which they differ.

Both answer through the very steps that the server takes. A model may know labels that the other does not: photos whose
right label only one of them knows are left out, since the other cannot be right; an answer that only one of them can
give counts as any other.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from twinlens import __version__
from twinlens.classifier import Classifier
from twinlens.classify import answers
from twinlens.compare.photos import Photo, Photos
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.footprint import export_sizes, latencies, machine
from twinlens.metrics import evaluate_scores, wilson
from twinlens.paired import paired
from twinlens.settings import Settings

SCHEMA_VERSION: Final = 1
SIDES: Final = ("a", "b")


@dataclass(frozen=True)
class Answers:
    """What one model answered: scores of shape (N, labels), float64, in the order of its own labels."""

    labels: list[str]
    scores: NDArray[np.float64]

    @property
    def best(self) -> list[str]:
        """The label answered for each photo."""
        return [self.labels[index] for index in self.scores.argmax(axis=1)]


def measure(photos: Photos, classifiers: Sequence[Classifier], settings: Settings) -> dict[str, Any]:
    """Everything that ``twinlens compare --json`` prints; ``docs/metrics.md`` says what each key holds.

    :param classifiers: A and B.
    :raises TwinlensError: ``invalid_data`` if no photo is left to compare them on.
    """
    kept, one_sided = _comparable(photos, classifiers)
    answered = [_answers(classifier, kept, settings) for classifier in classifiers]
    broken = {index: error for _, errors in answered for index, error in errors.items()}
    unreadable = [
        {"photo": photos.name(kept[index]), "code": error.code, "detail": error.detail}
        for index, error in sorted(broken.items())
    ]
    whole = [index for index in range(len(kept)) if index not in broken]
    if not whole:
        raise TwinlensError("invalid_data", f"No photo of {photos.root} can be read: {unreadable[0]['detail']}")
    kept = [kept[index] for index in whole]
    a, b = (
        Answers(classifier.contract.label_names, np.stack([scores[index] for index in whole]))
        for classifier, (scores, _) in zip(classifiers, answered, strict=True)
    )
    timed = latencies(classifiers, [photo.path for photo in kept])
    agreed = sum(x == y for x, y in zip(a.best, b.best, strict=True))
    return {
        "schema_version": SCHEMA_VERSION,
        "twinlens": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": readable(photos.root),
        "split": photos.split,
        "n": len(kept),
        "unreadable": unreadable,
        "one_sided": one_sided,
        "models": {
            side: {**_model(classifier), **_figures(found, kept, classifier), "latency": latency}
            for side, classifier, found, latency in zip(SIDES, classifiers, (a, b), timed, strict=True)
        },
        "paired": paired(_right(a, kept), _right(b, kept)).to_json() if photos.labelled else None,
        "agreement": {"n": agreed, "share": agreed / len(kept), "interval": wilson(agreed, len(kept))},
        "differ": _differ(photos, kept, a, b),
        "machine": machine(),
    }


def _comparable(photos: Photos, classifiers: Sequence[Classifier]) -> tuple[list[Photo], list[dict[str, Any]]]:
    """The photos whose right label both models know, and the labels of the others with how many there are."""
    a, b = (set(classifier.contract.label_names) for classifier in classifiers)
    if not a & b:
        raise TwinlensError("invalid_arguments", "The two models have no label in common: there is nothing to compare.")
    kept = [photo for photo in photos.photos if photo.label is None or photo.label in a & b]
    if not kept:
        raise TwinlensError("invalid_data", f"{photos.root} has no photo of a label that both models know.")
    counts = Counter(photo.label for photo in photos.photos if photo.label is not None and photo.label not in a & b)
    return kept, [
        {"label": label, "known_by": "a" if label in a else "b", "n": count} for label, count in sorted(counts.items())
    ]


def _answers(
    classifier: Classifier, photos: Sequence[Photo], settings: Settings
) -> tuple[dict[int, NDArray[np.float64]], dict[int, TwinlensError]]:
    """A model's scores by the photo's index, and the errors of the photos that cannot be read."""
    labels = classifier.contract.label_names
    scores: dict[int, NDArray[np.float64]] = {}
    errors: dict[int, TwinlensError] = {}
    found = answers([photo.path for photo in photos], classifier, settings, len(labels))
    model = classifier.contract.model
    what = f"{model.name} {model.version}"
    for index, result in enumerate(tqdm(found, what, len(photos), file=sys.stderr, unit="photo", mininterval=0.5)):
        if isinstance(result.outcome, TwinlensError):
            errors[index] = result.outcome
        else:
            by_label = {each["label"]: each["score"] for each in result.outcome["predictions"]}
            scores[index] = np.array([by_label[label] for label in labels])
    return scores, errors


def _model(classifier: Classifier) -> dict[str, Any]:
    model = classifier.contract.model
    return {
        "path": str(classifier.version.path),
        "name": model.name,
        "version": model.version,
        "architecture": model.architecture,
        "digest": classifier.version.digest,
        "exports": export_sizes(classifier.version),
    }


def _figures(found: Answers, photos: Sequence[Photo], classifier: Classifier) -> dict[str, Any]:
    """A model's accuracy and what its scores are worth; nothing where no right label is known."""
    labels = [photo.label for photo in photos if photo.label is not None]
    if not labels:
        return {"figures": None}
    targets = np.array([found.labels.index(label) for label in labels])
    measured = evaluate_scores(found.scores, targets, classifier.contract.not_sure.threshold)
    by_label = dict(zip(found.labels, measured["per_label"], strict=True))
    return {"figures": {**measured, "per_label": {label: by_label[label] for label in sorted(set(labels))}}}


def _right(found: Answers, photos: Sequence[Photo]) -> NDArray[np.bool_]:
    return np.array([answer == photo.label for answer, photo in zip(found.best, photos, strict=True)])


def _differ(photos: Photos, kept: Sequence[Photo], a: Answers, b: Answers) -> list[dict[str, Any]]:
    """The photos that the two answer differently, the surest first."""
    best_a, best_b = a.best, b.best
    sure = a.scores.max(axis=1) + b.scores.max(axis=1)
    return [
        {
            "photo": photos.name(kept[index]),
            "label": kept[index].label,
            "a": {"label": best_a[index], "score": float(a.scores[index].max())},
            "b": {"label": best_b[index], "score": float(b.scores[index].max())},
        }
        for index in np.argsort(-sure, kind="stable")
        if best_a[index] != best_b[index]
    ]
