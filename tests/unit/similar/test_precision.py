import numpy as np
import pytest

from tests.unit.similar.made import clusters
from twinlens.similar.precision import nearest, precision, recall
from twinlens.similar.projection import unit


def test_the_nearest_are_exact_and_equal_ones_in_their_order():
    among = unit(np.array([[1, 0], [0, 1], [1, 1], [1, 0], [-1, 0]]))
    assert nearest(unit(np.array([[1, 0.0]])), among, 3).tolist() == [[0, 3, 2]]
    assert nearest(among[:1], among, 2, np.array([0])).tolist() == [[3, 2]]


def test_the_nearest_of_many_are_those_of_sorting():
    vectors = unit(clusters(600)[0])
    found = nearest(vectors, vectors, 10, np.arange(600))
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -2)
    assert np.array_equal(found, np.argsort(-alike, axis=1, kind="stable")[:, :10])


def test_labels_that_lie_apart_are_all_right_and_made_up_ones_are_not():
    embeddings, labels = clusters(200)
    vectors = unit(embeddings)
    apart = precision(unit(np.eye(4)[np.repeat(range(4), 8)]), np.repeat(list("abcd"), 8).tolist())
    assert apart == 1
    shuffled = np.random.default_rng(0).permutation(labels).tolist()
    assert precision(vectors, shuffled) < 0.3 < 0.6 < precision(vectors, labels)


def test_photos_without_a_label_do_not_count():
    embeddings, labels = clusters(60)
    some = [label if index % 2 else None for index, label in enumerate(labels)]
    assert precision(unit(embeddings), some) == precision(unit(embeddings[1::2]), labels[1::2])
    assert precision(unit(embeddings), [None] * 55 + labels[:5]) is None


def test_of_many_photos_some_are_asked_about():
    embeddings, labels = clusters(400)
    assert precision(unit(embeddings), labels, 100) == pytest.approx(precision(unit(embeddings), labels), abs=0.1)


def test_recall_is_the_share_that_was_found():
    assert recall(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [4, 9]])) == 0.75
    assert recall(np.array([[1, -1]]), np.array([[5, 6]])) == 0
