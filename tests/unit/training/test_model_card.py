import numpy as np

from tests.unit.training.pictures import LABELS
from training.model_card import most_confused


def test_pairs_are_counted_most_first_and_in_a_fixed_order() -> None:
    labels = sorted(LABELS)
    targets = np.array([0, 0, 0, 1, 2, 2])
    answers = np.array([1, 1, 2, 1, 0, 0])
    logits = np.eye(3)[answers]
    expected = [(labels[0], labels[1], 2), (labels[2], labels[0], 2), (labels[0], labels[2], 1)]
    assert most_confused(logits, targets, labels) == expected


def test_a_network_that_is_always_right_confuses_nothing() -> None:
    assert most_confused(np.eye(3), np.arange(3), sorted(LABELS)) == []
