"""Two classifiers on the same photos: whether one is right more often than the other, by more than chance explains.

Only the photos that one answers rightly and the other wrongly can tell. That is what makes a comparison on the same
photos so much sharper than two accuracies with an interval each.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.metrics import Z95


@dataclass(frozen=True)
class Paired:
    """How two classifiers did on the same photos."""

    both: int
    """Photos that both answered rightly."""
    only_a: int
    only_b: int
    neither: int
    difference: float
    """Accuracy of B less that of A."""
    interval: tuple[float, float]
    """95 % interval of ``difference``."""
    p_value: float
    """Chance of a split of ``only_a`` and ``only_b`` at least this uneven if neither were the better one."""

    def to_json(self) -> dict[str, Any]:
        """The figures as they stand in JSON."""
        return asdict(self)


def paired(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> Paired:
    """Compare two classifiers.

    The interval is Agresti and Min's (half a photo added to each of the four counts before Wald's formula; "Simple
    improved confidence intervals for comparing matched proportions", Statistics in Medicine 24, 2005); the p-value is
    McNemar's, exact and two-sided.

    :param right_a: whether A was right, bool array of shape (N,), N at least 1.
    :param right_b: whether B was right on the same photos.
    """
    both, neither = int((right_a & right_b).sum()), int((~right_a & ~right_b).sum())
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    n = len(right_a)
    more = only_b - only_a
    centre = more / (n + 2)
    half = Z95 * math.sqrt(only_a + only_b + 1 - more * more / (n + 2)) / (n + 2)
    interval = (max(-1.0, centre - half), min(1.0, centre + half))
    return Paired(both, only_a, only_b, neither, more / n, interval, mcnemar(only_a, only_b))


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value of McNemar's test: twice the smaller binomial tail at one half, at most 1.

    :param only_a: photos that only A answered rightly.
    :param only_b: photos that only B answered rightly.
    """
    n = only_a + only_b
    # In logarithms, since 2 ** -n leaves the range of a float from 1,075 photos on.
    terms = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
        for k in range(min(only_a, only_b) + 1)
    ]
    return min(1.0, 2 * math.fsum(map(math.exp, terms)))
