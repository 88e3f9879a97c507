"""Labels that are probably wrong: confident learning on what a simple classifier says of photos that are new to it.

A linear classifier on embeddings learns from four fifths of the photos and answers for the last fifth, five times, so
each photo is judged by others alone; its copies and its group are not among them. cleanlab estimates from the answers
how many labels are wrong (Northcutt, Jiang and Chuang, 2021, https://arxiv.org/abs/1911.00068); so many, those that the
classifier believes least, are doubted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from twinlens.errors import TwinlensError

FEWEST: Final = 5
"""Groups of photos that a label must have to be judged: one in each part that the photos are divided into."""

# Strength of the classifier on vectors of length 1: see docs/decisions/019-data.md.
_C: Final = 10.0
_ITERATIONS: Final = 1000


@dataclass(frozen=True)
class Doubt:
    """A photo whose label is probably wrong."""

    index: int
    label: str
    score: float
    """Probability that the classifier gives the label."""
    suggested: str
    suggested_score: float


@dataclass(frozen=True)
class Noise:
    """What was found."""

    doubts: list[Doubt]
    """The most doubtful first."""
    checked: int
    """Photos whose label was judged."""
    not_checked: list[str]
    """Labels with too few photos for that."""
    accuracy: float
    """How often the classifier gave the label: where this is low, it knows too little to doubt."""


def can_judge(labels: Sequence[str], groups: Sequence[int] | None = None) -> bool:
    """Whether at least two labels have photos enough to be judged.

    :param groups: as for :func:`find_noise`.
    """
    return sum(count >= FEWEST for count in _counts(labels, groups).values()) >= 2


def find_noise(
    embeddings: NDArray[np.float32], labels: Sequence[str], seed: int = 0, groups: Sequence[int] | None = None
) -> Noise:
    """Find labels that are probably wrong.

    :param embeddings: array of shape (photos, size), of a network that has not learned from them.
    :param labels: as given, one for each photo.
    :param seed: decides which photos are in which fold.
    :param groups: a number for each photo; those with the same one show the same, a copy or a person, so that none of
        them judges another. By default each photo is its own.
    :raises TwinlensError: ``invalid_data`` if fewer than two labels have enough photos.
    """
    counts = _counts(labels, groups)
    names = sorted(label for label, count in counts.items() if count >= FEWEST)
    if not can_judge(labels, groups):
        raise TwinlensError(
            "invalid_data",
            f"To judge labels, at least two of them must have {FEWEST} photos that are neither copies nor of one "
            "group: collect more.",
        )
    chosen = np.array([index for index, label in enumerate(labels) if counts[label] >= FEWEST])
    given = np.array([names.index(labels[index]) for index in chosen])
    together = chosen if groups is None else np.array(groups)[chosen]
    answers = out_of_fold(embeddings[chosen], given, len(names), seed, together)
    wrong = find_label_issues(given, answers, filter_by="low_self_confidence", n_jobs=1)
    quality = get_label_quality_scores(given, answers)
    best = answers.argmax(axis=1)
    doubts = [
        Doubt(
            int(chosen[at]),
            names[given[at]],
            float(answers[at, given[at]]),
            names[best[at]],
            float(answers[at, best[at]]),
        )
        for at in np.argsort(quality, kind="stable")
        if wrong[at] and best[at] != given[at]
    ]
    return Noise(doubts, len(chosen), sorted(set(counts) - set(names)), float((best == given).mean()))


def out_of_fold(
    embeddings: NDArray[np.float32], given: NDArray[np.int64], labels: int, seed: int, groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Probability of each label for each photo, by a classifier that has learned from nothing of its group.

    :param given: array of shape (photos,): the index of each label.
    :param groups: array of shape (photos,).
    :return: array of shape (photos, labels).
    """
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    vectors = embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)
    answers = np.zeros((len(vectors), labels))
    folds = StratifiedGroupKFold(FEWEST, shuffle=True, random_state=seed)
    for learned, held in folds.split(vectors, given, groups):
        classifier = LogisticRegression(C=_C, max_iter=_ITERATIONS).fit(vectors[learned], given[learned])
        # Groups of several labels may leave a fold without one of them.
        answers[np.ix_(held, classifier.classes_)] = classifier.predict_proba(vectors[held])
    return answers


def _counts(labels: Sequence[str], groups: Sequence[int] | None) -> Counter[str]:
    """How many groups of photos each label has."""
    of = range(len(labels)) if groups is None else groups
    return Counter(label for label, _ in set(zip(labels, of, strict=True)))
