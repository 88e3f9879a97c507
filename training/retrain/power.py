"""The power of the gate: which candidates it lets through.

How many candidates pass that are equal, a point better, or worse by the tolerance of two points, by the number of
photos and the share of them that only one of the two answers rightly (:func:`passing` computes it):

======  ======  =====  ======  =====
photos  differ  equal  better  worse
======  ======  =====  ======  =====
   325     3 %   67 %    94 %    7 %
   372     3 %   74 %    97 %    6 %
   372     5 %   56 %    86 %    5 %
  1000     5 %   93 %   100 %    3 %
======  ======  =====  ======  =====
"""

from __future__ import annotations

from typing import Final

import numpy as np

from training.retrain.gate import DRAWS, SEED, Limits, Pairs, not_worse

_LIKELY: Final = 20


def passing(photos: int, differ: float, gain: float, limits: Limits) -> float:
    """How many candidates :func:`not_worse` lets through, as a share: its power, by 20,000 made-up test splits.

    :param photos: of the test split.
    :param differ: share of the photos that only one of the two models answers rightly.
    :param gain: how much better the candidate is in truth, as a share of all photos.
    """
    shares = [(differ - gain) / 2, (differ + gain) / 2, 1 - differ]
    drawn = np.random.default_rng(SEED + 1).multinomial(photos, shares, 2 * DRAWS)
    # Each count of photos is judged once; the rare ones change nothing.
    counts, times = np.unique(drawn, axis=0, return_counts=True)
    likely = times >= _LIKELY
    passed = [
        not_worse("overall", {"": Pairs(int(rest), int(only_old), int(only_new), 0)}, limits).passed is True
        for only_old, only_new, rest in counts[likely]
    ]
    return float(np.average(passed, weights=times[likely]))
