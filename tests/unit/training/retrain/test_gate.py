import numpy as np
import pytest

from tests import models
from tests.unit.compare.models import SETTINGS, labelled, opened, pair
from training.retrain import gate
from training.retrain.gate import Limits, Pairs, interval, labels_kept, not_worse, pairs_by_label
from twinlens.compare.measure import measure
from twinlens.compare.photos import find_photos

LIMITS = Limits()


def test_counts_are_those_of_the_answers(tmp_path):
    classifiers = opened(pair(tmp_path / "models", {"white": "black", "black": "white"}))
    photos = find_photos(labelled(tmp_path / "photos", {"red": 3, "white": 4, "black": 2}), None, set(models.LABELS))
    found = pairs_by_label(measure(photos, classifiers, SETTINGS))
    assert found == {"black": Pairs(0, 2, 0, 0), "red": Pairs(3, 0, 0, 0), "white": Pairs(0, 4, 0, 0)}
    total = sum(found.values(), Pairs(0, 0, 0, 0))
    assert (total.n, total.old, total.new) == (9, 1.0, 3 / 9)


def test_drawing_counts_is_drawing_photos():
    pairs = Pairs(300, 12, 5, 55)
    difference = np.array([0] * 355 + [-1] * 12 + [1] * 5)
    drawn = np.random.default_rng(1).choice(difference, (20_000, len(difference))).mean(axis=1)
    assert interval(pairs) == pytest.approx(np.percentile(drawn, [5, 95]), abs=0.0015)
    assert interval(pairs) == interval(pairs), "the same counts give the same verdict"


@pytest.mark.parametrize(
    ("differ", "gain", "low", "high"),
    [(0.03, 0.0, 0.62, 0.82), (0.03, 0.01, 0.9, 1.0), (0.03, -0.02, 0.0, 0.12), (0.05, 0.0, 0.4, 0.65)],
)
def test_the_gate_has_the_power_that_is_said_of_it(differ, gain, low, high):
    """Candidates of a known true difference, on test splits of 372 photos."""
    rng = np.random.default_rng(2)
    shares = [(differ - gain) / 2, (differ + gain) / 2, 1 - differ]
    seen, times = np.unique(rng.multinomial(372, shares, 20_000), axis=0, return_counts=True)
    likely = times >= 20  # each count of photos is judged once; the rare ones change nothing
    passed = [
        not_worse("overall", {"": Pairs(int(rest), int(only_old), int(only_new), 0)}, LIMITS).passed
        for only_old, only_new, rest in seen[likely]
    ]
    assert low <= np.average(passed, weights=times[likely]) <= high


def test_few_photos_refuse_only_what_they_show_to_be_worse():
    few = {"a": Pairs(20, 2, 1, 3)}
    assert not_worse("held-out", few, LIMITS).passed
    assert not not_worse("held-out", {"a": Pairs(20, 9, 0, 3)}, LIMITS).passed
    assert not_worse("held-out", {}, LIMITS).passed is None
    # As many times as many photos have to show it.
    assert not not_worse("overall", {"a": Pairs(80, 8, 4, 12)}, LIMITS).passed


def test_a_label_is_not_lost_behind_the_others():
    kept = {"common": Pairs(900, 0, 6, 40), "rare": Pairs(6, 6, 0, 0)}
    assert not_worse("overall", kept, LIMITS).passed
    verdict = labels_kept(kept, [], LIMITS)
    assert not verdict.passed and verdict.figures["worse"] == ["rare"]
    assert "rare −50.0" in verdict.english


@pytest.mark.parametrize(
    ("pairs", "passed"),
    [
        (Pairs(10, 2, 0, 0), True),  # two photos of twelve are no evidence
        (Pairs(9, 3, 0, 0), False),
        (Pairs(60, 3, 0, 0), True),  # within the margin
        (Pairs(60, 9, 2, 0), True),  # seven of 71
        (Pairs(60, 10, 2, 0), False),  # eight of 72
        (Pairs(0, 2, 0, 0), False),  # all of a small label
        (Pairs(0, 1, 0, 0), True),
        (Pairs(0, 2, 1, 0), True),
    ],
)
def test_small_counts_and_margins(pairs, passed):
    assert labels_kept({"a": pairs}, [], LIMITS).passed is passed


def test_a_label_that_is_no_longer_known_is_refused():
    verdict = labels_kept({"a": Pairs(9, 0, 0, 0)}, ["b"], LIMITS)
    assert verdict.passed is False and "b" in verdict.english


@pytest.mark.parametrize(("before", "kept", "passed"), [(100, 100, True), (100, 95, True), (100, 94, False)])
def test_a_test_split_that_was_changed_is_no_judge(before, kept, passed):
    assert gate.same_test(before, kept, LIMITS).passed is passed


def test_verdicts_are_json_and_both_languages():
    verdict = not_worse("overall", {"a": Pairs(90, 5, 7, 10)}, LIMITS)
    found = verdict.to_json()
    assert (found["name"], found["passed"], found["n"], found["only_new"]) == ("overall", verdict.passed, 112, 7)
    assert found["interval"][0] < found["new"] - found["old"] < found["interval"][1]
    assert verdict.english in verdict.text.en and "112 张照片" in verdict.text.zh
    assert not gate.published([verdict, labels_kept({}, ["b"], LIMITS)])
    assert gate.published([labels_kept({}, [], LIMITS)])
