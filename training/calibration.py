"""Make scores mean what they say: one temperature and one "not sure" threshold, both fitted on validation."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.contract import NotSure
from twinlens.inference import softmax

# A few hundred photos cannot tell how sure a network that is never wrong should be: the loss would fall for ever.
_TEMPERATURES: Final = np.geomspace(0.25, 4.0, 401)
_WANTED_ACCURACY: Final = 0.95


def fit_temperature(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> float:
    """The temperature of least negative log-likelihood, between 0.25 and 4.

    Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    :param logits: array of shape (N, labels).
    :param targets: indices of the right labels, shape (N,).
    """
    rows = np.arange(len(targets))
    losses = [-np.log(softmax(logits, t)[rows, targets] + 1e-300).mean() for t in _TEMPERATURES]
    return float(np.round(_TEMPERATURES[int(np.argmin(losses))], 4))


def fit_not_sure(scores: NDArray[np.floating], targets: NDArray[np.integer]) -> NotSure:
    """The lowest threshold above which at least 95 % of the answers on validation are right.

    :param scores: array of shape (N, labels), rows summing to 1.
    :param targets: indices of the right labels, shape (N,).
    """
    best = scores.max(axis=1)
    right = scores.argmax(axis=1) == targets
    order = np.argsort(-best, kind="stable")
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(accuracy >= _WANTED_ACCURACY)
    rule = f"lowest score above which {_WANTED_ACCURACY:.0%} of the answers on validation are right"
    if not len(enough):
        return NotSure(threshold=1.0, rule=f"{rule}: there is none, every answer is not sure")
    kept = int(enough[-1]) + 1
    # When every answer may be given, the lowest score seen on validation says nothing about lower ones.
    threshold = 0.0 if kept == len(order) else float(np.floor(best[order[enough[-1]]] * 1e4) / 1e4)
    return NotSure(
        threshold=threshold,
        rule=f"{rule}: {int(right[order][:kept].sum())} of {kept} right, {len(order) - kept} of {len(order)} not sure",
    )
