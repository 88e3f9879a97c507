import numpy as np
import pytest

from twinlens.metrics import (
    above,
    calibration_error,
    calibration_error_by_chance,
    confusion,
    evaluate_scores,
    losses,
    reliability,
    wilson,
)

SCORES = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])
TARGETS = np.array([0, 1, 1, 1])


def honest(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of two labels that are right in just the share that they say."""
    generator = np.random.default_rng(seed)
    best = generator.uniform(0.5, 1.0, n)
    return np.stack([best, 1 - best], axis=1), (generator.random(n) > best).astype(int)


def test_known_scores_are_measured() -> None:
    measured = evaluate_scores(SCORES, TARGETS, 0.55)
    assert measured["top1"] == 0.75
    assert (measured["n"], measured["correct"]) == (4, 3)
    assert measured["interval"] == wilson(3, 4)
    assert measured["nll"] == pytest.approx(-np.log([0.7, 0.6, 0.25, 0.5]).mean())
    assert measured["per_label"] == [
        {"n": 1, "correct": 1, "recall": 1.0, "answered": 2, "precision": 0.5},
        {"n": 3, "correct": 2, "recall": pytest.approx(2 / 3), "answered": 2, "precision": 1.0},
        {"n": 0, "correct": 0, "recall": None, "answered": 0, "precision": None},
    ]
    assert measured["not_sure"]["n"] == 2
    assert evaluate_scores(SCORES, TARGETS)["not_sure"] is None
    with pytest.raises(ValueError, match="no photos"):
        evaluate_scores(np.zeros((0, 3)), np.zeros(0, int))


@pytest.mark.parametrize(
    # From SciPy 1.17: scipy.stats.binomtest(correct, n).proportion_ci(0.95, "wilson").
    ("correct", "n", "low", "high"),
    [(0, 10, 0.0, 0.277533), (9, 10, 0.59585, 0.982124), (341, 372, 0.884143, 0.940673), (5, 5, 0.565518, 1.0)],
)
def test_the_interval_is_wilsons(correct: int, n: int, low: float, high: float) -> None:
    assert wilson(correct, n) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_rows_are_right_labels_and_columns_answers() -> None:
    assert confusion(SCORES, TARGETS).tolist() == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]


def test_a_score_of_nothing_costs_much_but_not_for_ever() -> None:
    (loss,) = losses(np.array([[1.0, 0.0]]), np.array([1]))
    assert 700 < loss < 1000


def test_what_is_below_the_threshold_is_not_sure() -> None:
    found = above(SCORES, TARGETS, 0.5)
    assert (found["n"], found["correct"], found["share_not_sure"]) == (4, 3, 0.0)  # the threshold itself is enough
    assert above(SCORES, TARGETS, 0.65)["accuracy"] == 1.0
    none = above(SCORES, TARGETS, 0.9)
    assert (none["n"], none["accuracy"], none["interval"], none["share_not_sure"]) == (0, None, None, 1.0)


def test_the_calibration_error_of_known_bins() -> None:
    # Two bins, (0, 0.5] and (0.5, 1]: half a point of 0.5 and 0.5 is right, and both of 0.7 and 0.6.
    bins = reliability(SCORES, TARGETS, bins=2)
    assert [(each.n, each.correct, each.score) for each in bins] == [(2, 1, 0.5), (2, 2, pytest.approx(0.65))]
    assert bins[0].interval == wilson(1, 2)
    assert calibration_error(bins) == pytest.approx(0.5 * 0.0 + 0.5 * 0.35)


def test_a_score_on_an_edge_is_in_the_bin_below_and_empty_bins_count_for_nothing() -> None:
    bins = reliability(np.array([[0.8, 0.2], [1.0, 0.0]]), np.array([0, 0]), bins=5)
    assert [each.n for each in bins] == [0, 0, 0, 1, 1]
    assert [(each.low, each.high) for each in bins][3] == (pytest.approx(0.6), pytest.approx(0.8))
    assert (bins[0].score, bins[0].accuracy, bins[0].interval) == (None, None, None)
    assert calibration_error(bins) == pytest.approx(0.1)


def test_bins_of_equal_number_share_the_photos_out() -> None:
    scores, targets = honest(32)
    bins = reliability(scores, targets, bins=15, of_equal="number")
    assert [each.n for each in bins] == [3] * 2 + [2] * 13
    assert [each.high for each in bins] == sorted(each.high for each in bins)
    assert sum(each.correct for each in bins) == (scores.argmax(axis=1) == targets).sum()
    assert len(reliability(*honest(4), bins=15, of_equal="number")) == 4


def test_honest_scores_err_by_what_chance_makes_and_boastful_ones_by_more() -> None:
    scores, targets = honest(400)
    mean, p95 = calibration_error_by_chance(scores)
    assert calibration_error_by_chance(scores) == (mean, p95)
    drawn = [calibration_error(reliability(*honest(400, seed))) for seed in range(60)]
    assert np.mean(drawn) == pytest.approx(mean, rel=0.15)
    assert 0 < mean < p95
    boastful = np.stack([np.full(400, 0.99), np.full(400, 0.01)], axis=1)
    assert calibration_error(reliability(boastful, targets)) > 5 * calibration_error_by_chance(boastful)[1]


def test_a_network_that_answers_no_number_is_measured_all_the_same() -> None:
    measured = evaluate_scores(np.full((3, 2), np.nan), np.array([0, 1, 1]), 0.5)
    assert measured["correct"] == 1
    assert np.isnan(measured["ece"]) and np.isnan(measured["nll"])
