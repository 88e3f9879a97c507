import numpy as np
import pytest

from training.calibration import fit_not_sure, fit_temperature
from twinlens.inference import softmax


def sample(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose right labels are drawn from ``softmax(logits / temperature)``."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(count, 4)) * 3
    chances = softmax(logits, temperature).cumsum(axis=1)
    return logits, (generator.random((count, 1)) > chances).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    assert fit_temperature(*sample(temperature)) == pytest.approx(temperature, rel=0.05)


def test_a_network_that_is_never_wrong_keeps_a_finite_temperature() -> None:
    logits = np.eye(3) * 5
    assert fit_temperature(logits, np.arange(3)) == 0.25


def test_the_threshold_is_the_lowest_that_keeps_95_percent_right() -> None:
    logits, targets = sample(1.0)
    scores = softmax(logits, 1.0)
    not_sure = fit_not_sure(scores, targets)
    right, best = scores.argmax(axis=1) == targets, scores.max(axis=1)
    assert right[best >= not_sure.threshold].mean() >= 0.949
    assert right[best >= not_sure.threshold - 0.02].mean() < 0.95
    assert "of 20000 not sure" in not_sure.rule


def test_nothing_is_not_sure_when_all_is_right() -> None:
    assert fit_not_sure(np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([0, 1])).threshold == 0.0


def test_everything_is_not_sure_when_nothing_is_right() -> None:
    not_sure = fit_not_sure(np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([1, 0]))
    assert not_sure.threshold == 1.0
    assert "there is none" in not_sure.rule
