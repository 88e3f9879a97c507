import numpy as np
import pytest

from benchmarks.similar.vectors import distances, jittered
from tests.unit.similar.made import clusters
from twinlens.similar.projection import fit

EMBEDDINGS, _ = clusters(300)
VECTORS = fit([EMBEDDINGS], 32, 16)(EMBEDDINGS)


def test_distances_are_those_of_the_nearest_that_is_another_one() -> None:
    doubled = np.concatenate([VECTORS, VECTORS[:50]])
    apart = np.linalg.norm(VECTORS[:, None] - VECTORS[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert distances(VECTORS) == pytest.approx(apart.min(axis=1), abs=1e-4)
    assert distances(doubled)[:300] == pytest.approx(apart.min(axis=1), abs=1e-4)


def test_made_vectors_are_as_far_from_a_photo_as_its_neighbour_is() -> None:
    made = jittered(VECTORS, 2000, 1)
    assert made.shape == (2000, 16) and made.dtype == np.float32
    assert np.linalg.norm(made, axis=1) == pytest.approx(np.ones(2000), abs=1e-5)
    nearest = np.linalg.norm(made[:, None] - VECTORS[None], axis=2).min(axis=1)
    assert 0.5 < np.median(nearest) / np.median(distances(VECTORS)) < 1.2


def test_the_seed_decides() -> None:
    assert np.array_equal(jittered(VECTORS, 100, 1), jittered(VECTORS, 100, 1))
    assert not np.array_equal(jittered(VECTORS, 100, 1), jittered(VECTORS, 100, 2))
