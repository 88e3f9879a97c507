"""How good neighbours are: the share of the five nearest photos that have the photo's own label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NEAREST: Final = 5
_PAIRS_AT_ONCE: Final = 20_000_000


def nearest(asked: Floats, among: Floats, k: int, own: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
    """The exact nearest vectors, by their inner product, nearest first; equal ones in their order.

    :param asked: float32 (Q, dimensions).
    :param among: float32 (N, dimensions), N at least ``k``, and one more where ``own`` is given.
    :param own: (Q,), the place in ``among`` that a vector has itself, which is left out.
    :return: places in ``among``, (Q, k).
    """
    found = np.empty((len(asked), k), np.intp)
    step = max(1, _PAIRS_AT_ONCE // len(among))
    for start in range(0, len(asked), step):
        part = slice(start, start + step)
        alike = asked[part] @ among.T
        if own is not None:
            alike[np.arange(len(alike)), own[part]] = -np.inf
        best = np.sort(np.argpartition(-alike, k - 1, axis=1)[:, :k], axis=1)
        order = np.argsort(-np.take_along_axis(alike, best, axis=1), axis=1, kind="stable")
        found[part] = np.take_along_axis(best, order, axis=1)
    return found


def precision(vectors: Floats, labels: Sequence[str | None], most: int = 2000) -> float | None:
    """Share of the five nearest other photos that have the photo's own label, the mean over photos.

    :param vectors: float32 (N, dimensions), of length 1.
    :param labels: of each photo; None where it is not known, and the photo is left out.
    :param most: photos that are asked about, spread evenly, where there are more.
    :return: None where fewer than six photos have a label.
    """
    labelled = np.flatnonzero([label is not None for label in labels])
    if len(labelled) <= NEAREST:
        return None
    among = vectors[labelled]
    names = np.array([labels[int(index)] for index in labelled])
    asked = np.linspace(0, len(labelled) - 1, min(most, len(labelled))).astype(np.intp)
    found = nearest(among[asked], among, NEAREST, asked)
    return float((names[found] == names[asked][:, None]).mean())


def recall(found: NDArray[np.integer], exact: NDArray[np.integer]) -> float:
    """Share of the exact nearest that were found, the mean over questions; both of shape (Q, k)."""
    return float(
        np.mean([len(np.intersect1d(one, other)) for one, other in zip(found, exact, strict=True)]) / exact.shape[1]
    )
