"""A million vectors of a kind that real photos give, from a few thousand real photos.

Every one is a photo's own vector, the network's embedding projected as the index projects it, moved in a random
direction by the distance of that photo's nearest neighbour. So a made vector is as far from its photo as another photo
is, and the whole is as clustered as the photos are. Questions are made in the same way and are not in the index.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.similar.precision import nearest
from twinlens.similar.projection import unit

Floats = NDArray[np.float32]

_AT_ONCE: Final = 50_000


def distances(vectors: Floats) -> Floats:
    """How far each vector's nearest neighbour is that is another one, float32 (N,).

    :param vectors: float32 (N, dimensions), N at least 2, of length 1.
    """
    own = np.arange(len(vectors))
    found = nearest(vectors, vectors, min(10, len(vectors) - 1), own)
    apart = np.linalg.norm(vectors[found] - vectors[:, None], axis=2)
    # The same photo may be there twice: its copy is no neighbour.
    apart[apart < 1e-3] = np.inf
    closest = apart.min(axis=1)
    usual = np.median(closest[np.isfinite(closest)])
    return np.asarray(np.where(np.isfinite(closest), closest, usual), np.float32)


def jittered(vectors: Floats, count: int, seed: int) -> Floats:
    """So many made vectors, float32 (count, dimensions), of length 1.

    :param vectors: those of real photos.
    """
    rng = np.random.default_rng(seed)
    apart = distances(vectors)
    made = np.empty((count, vectors.shape[1]), np.float32)
    for start in range(0, count, _AT_ONCE):
        part = made[start : start + _AT_ONCE]
        of = rng.integers(0, len(vectors), len(part))
        direction = unit(rng.standard_normal(part.shape, np.float32))
        part[:] = unit(vectors[of] + apart[of, None] * direction)
    return made
