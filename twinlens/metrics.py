"""How right a classifier is, and how far its scores can be trusted: arrays in, plain figures out.

``python -m training evaluate``, the export and ``twinlens compare`` all measure with these functions, so that a figure
means the same wherever it stands.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
Z95: Final = NormalDist().inv_cdf(0.975)
_TINIEST: Final = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Bin:
    """The answers whose score lies in one range: how sure they were, and how many were right."""

    low: float
    """Scores above this, ..."""
    high: float
    """... up to and with this."""
    n: int
    """Photos."""
    correct: int
    score: float | None
    """Mean score of the answers; ``None`` where there is none."""
    accuracy: float | None
    interval: tuple[float, float] | None
    """95 % Wilson interval of ``accuracy``."""

    def to_json(self) -> dict[str, Any]:
        """The bin as it stands in ``metrics.json``."""
        return asdict(self)


def evaluate_scores(
    scores: NDArray[np.floating], targets: NDArray[np.integer], threshold: float | None = None
) -> dict[str, Any]:
    """Accuracy of answers, and what their scores are worth.

    :param scores: array of shape (N, labels), N at least 1, rows summing to 1.
    :param targets: index of the right label, of shape (N,).
    :param threshold: the score below which an answer is "not sure"; ``None`` where there is none.
    :return: ``top1``; ``n``; ``correct``; ``interval``, the 95 % Wilson interval of ``top1``; ``nll``, the mean
        negative log-likelihood of the right label in nats; ``ece``, see :func:`calibration_error`; ``not_sure``, what
        :func:`above` gives, or ``None``; ``per_label``, a list of ``{n, correct, recall, answered, precision}`` in the
        order of the scores, ``recall`` being ``None`` where ``n`` is 0, ``precision`` where ``answered`` is.
    :raises ValueError: if there is no photo.
    """
    if len(targets) == 0:
        raise ValueError("there is nothing to measure: no photos")
    counts = confusion(scores, targets)
    per_label = []
    for label in range(len(counts)):
        n, answered, correct = int(counts[label].sum()), int(counts[:, label].sum()), int(counts[label, label])
        per_label.append(
            {
                "n": n,
                "correct": correct,
                "recall": correct / n if n else None,
                "answered": answered,
                "precision": correct / answered if answered else None,
            }
        )
    correct, n = int(np.trace(counts)), len(targets)
    return {
        "top1": correct / n,
        "n": n,
        "correct": correct,
        "interval": wilson(correct, n),
        "nll": float(losses(scores, targets).mean()),
        "ece": calibration_error(reliability(scores, targets)),
        "not_sure": None if threshold is None else above(scores, targets, threshold),
        "per_label": per_label,
    }


def wilson(correct: int, n: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson, Journal of the American Statistical Association 22, 1927)."""
    p, denominator = correct / n, 1 + Z95 * Z95 / n
    centre = (p + Z95 * Z95 / (2 * n)) / denominator
    half = Z95 * math.sqrt(p * (1 - p) / n + Z95 * Z95 / (4 * n * n)) / denominator
    return max(0.0, centre - half), min(1.0, centre + half)


def losses(scores: NDArray[np.floating], targets: NDArray[np.integer]) -> NDArray[np.float64]:
    """Negative log-likelihood of the right label of each photo, in nats.

    :param scores: array of shape (N, labels), rows summing to 1.
    :param targets: index of the right label, of shape (N,).
    :return: float64 array of shape (N,).
    """
    of_right = np.asarray(scores, np.float64)[np.arange(len(targets)), targets]
    return np.asarray(-np.log(np.maximum(of_right, _TINIEST)))


def confusion(scores: NDArray[np.floating], targets: NDArray[np.integer]) -> NDArray[np.int64]:
    """How often each label was answered for each right one.

    :param scores: array of shape (N, labels).
    :param targets: index of the right label, of shape (N,).
    :return: int64 array of shape (labels, labels): right label, then answered label.
    """
    counts = np.zeros((scores.shape[1], scores.shape[1]), np.int64)
    np.add.at(counts, (targets, scores.argmax(axis=1)), 1)
    return counts


def above(scores: NDArray[np.floating], targets: NDArray[np.integer], threshold: float) -> dict[str, Any]:
    """What a "not sure" threshold does.

    :param scores: array of shape (N, labels), N at least 1.
    :param targets: index of the right label, of shape (N,).
    :param threshold: answers whose score is below it are not sure.
    :return: ``threshold``; ``n``, the photos that were answered; ``correct`` among those; ``accuracy``, of those, and
        ``interval``, its 95 % Wilson interval, both ``None`` where every photo is not sure; ``share_not_sure``.
    """
    sure = scores.max(axis=1) >= threshold
    n, correct = int(sure.sum()), int((scores.argmax(axis=1) == targets)[sure].sum())
    return {
        "threshold": threshold,
        "n": n,
        "correct": correct,
        "accuracy": correct / n if n else None,
        "interval": wilson(correct, n) if n else None,
        "share_not_sure": 1 - n / len(targets),
    }


def reliability(
    scores: NDArray[np.floating],
    targets: NDArray[np.integer],
    bins: int = BINS,
    of_equal: Literal["width", "number"] = "width",
) -> list[Bin]:
    """Sort answers by their score into bins, to see whether a score of 0.8 is right eight times of ten.

    :param scores: array of shape (N, labels).
    :param targets: index of the right label, of shape (N,).
    :param of_equal: ``width``: each bin spans ``1 / bins`` (Guo et al., "On Calibration of Modern Neural Networks",
        ICML 2017); ``number``: each holds as many photos, but for one (Nguyen and O'Connor, "Posterior calibration and
        exploratory analysis for natural language processing models", EMNLP 2015).
    """
    best, right = scores.max(axis=1), scores.argmax(axis=1) == targets
    if of_equal == "width":
        place = _bins_of(best, bins)
        edges = np.linspace(0, 1, bins + 1).tolist()
        members = [np.flatnonzero(place == index) for index in range(bins)]
        ranges = list(pairwise(edges))
    else:
        members = [part for part in np.array_split(np.argsort(best, kind="stable"), bins) if len(part)]
        ranges = list(pairwise([0.0, *(float(best[part].max()) for part in members)]))
    found = []
    for (low, high), part in zip(ranges, members, strict=True):
        n, correct = len(part), int(right[part].sum())
        if n:
            found.append(Bin(low, high, n, correct, float(best[part].mean()), correct / n, wilson(correct, n)))
        else:
            found.append(Bin(low, high, 0, 0, None, None, None))
    return found


def calibration_error(bins: list[Bin]) -> float:
    """The expected calibration error: the mean over photos of how far each bin's accuracy is from its mean score."""
    gaps = [abs(each.correct - each.n * each.score) for each in bins if each.score is not None]
    return math.fsum(gaps) / sum(each.n for each in bins)


def calibration_error_by_chance(
    scores: NDArray[np.floating], bins: int = BINS, draws: int = 1000
) -> tuple[float, float]:
    """What :func:`calibration_error` would be if every score were exactly right.

    It is not 0, since few photos in a bin are seldom right in just the share that their scores say; a figure means
    something by as much as it is above this one.

    :param scores: array of shape (N, labels).
    :return: mean and 95th percentile over ``draws`` made-up outcomes (the same ones every time).
    """
    generator = np.random.default_rng(0)
    best = np.asarray(scores.max(axis=1), np.float64)
    place = _bins_of(best, bins)
    found = np.empty(draws)
    for draw in range(draws):
        excess = (generator.random(len(best)) < best) - best
        found[draw] = np.abs(np.bincount(place, excess, bins)).sum() / len(best)
    return float(found.mean()), float(np.percentile(found, 95))


def _bins_of(best: NDArray[np.floating], bins: int) -> NDArray[np.intp]:
    """The bin of equal width that each score lies in: ``(low, high]``, as Guo et al. have it."""
    # A network that diverged answers with no number, which must not stop whoever measures it.
    return np.asarray(np.clip(np.nan_to_num(np.ceil(best * bins)).astype(np.intp) - 1, 0, bins - 1))
