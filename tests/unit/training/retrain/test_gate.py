import re
from dataclasses import replace

import numpy as np
import pytest

from tests import models
from tests.unit.compare.models import SETTINGS, labelled, opened, pair
from training.retrain import gate, power
from training.retrain.gate import (
    Limits,
    Pairs,
    interval,
    labels_kept,
    not_fallen,
    not_shown_worse,
    not_worse,
    pairs_by_label,
)
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


def said_of_power():
    """The rows of the table in the docstring: photos, share that differs, and who passes, all but one in %."""
    rows = re.findall(r"^ *(\d+) +(\d+) % +(\d+) % +(\d+) % +(\d+) %$", power.__doc__, re.MULTILINE)
    return [tuple(map(int, row)) for row in rows]


@pytest.mark.parametrize(("photos", "differ", "equal", "better", "worse"), said_of_power())
def test_the_gate_has_the_power_that_is_said_of_it(photos, differ, equal, better, worse):
    strict = replace(LIMITS, enough=1)
    found = [100 * power.passing(photos, differ / 100, gain, strict) for gain in (0, 0.01, -0.02)]
    assert found == pytest.approx([equal, better, worse], abs=1.5)


def test_two_of_three_equal_candidates_pass_from_enough_photos_on_and_fewer_with_fewer():
    assert {row[0] for row in said_of_power()} >= {LIMITS.enough}
    strict = replace(LIMITS, enough=1)
    assert (
        power.passing(LIMITS.enough, 0.03, 0, strict) >= 0.65 > power.passing(LIMITS.enough * 3 // 4, 0.03, 0, strict)
    )


def test_few_photos_refuse_only_what_they_show_to_be_worse():
    few = {"a": Pairs(20, 2, 1, 3)}
    assert not_worse("overall", few, LIMITS).passed
    assert not not_worse("overall", {"a": Pairs(20, 9, 0, 3)}, LIMITS).passed
    assert not_worse("overall", {}, LIMITS).passed is None
    # As many times as many photos have to show it.
    many = {"a": Pairs(320, 16, 10, 54)}
    assert not not_worse("overall", many, LIMITS).passed
    assert not_shown_worse("held-out", many).passed, "whoever reviews has chosen them"
    assert not not_shown_worse("held-out", {"a": Pairs(320, 26, 8, 46)}).passed


def test_what_was_lost_since_a_version_adds_up_to_the_tolerance_at_most():
    assert not_fallen("anchor", {"a": Pairs(350, 9, 2, 11)}, LIMITS).passed
    assert not not_fallen("anchor", {"a": Pairs(350, 10, 2, 10)}, LIMITS).passed
    assert not_fallen("anchor", {"a": Pairs(15, 2, 0, 1)}, LIMITS).passed, "two photos are no evidence"
    assert not_fallen("anchor", {}, LIMITS).passed is None


def scored(nll, share_not_sure, n, correct):
    return {"n": 100, "nll": nll, "not_sure": {"share_not_sure": share_not_sure, "n": n, "correct": correct}}


@pytest.mark.parametrize(
    ("figures", "passed"),
    [
        (scored(0.45, 0.15, 85, 82), True),
        (scored(0.51, 0.1, 90, 87), False),  # a temperature that was fitted on wrong labels
        (scored(float("nan"), 0.1, 90, 87), False),
        (scored(0.4, 0.21, 79, 77), False),  # every answer is "not sure"
        (scored(0.4, 0.0, 100, 94), False),  # none is
        (scored(0.4, 0.0, 100, 95), True),
    ],
)
def test_scores_that_are_worth_less_are_refused(figures, passed):
    compared = {"models": {"a": {"figures": scored(0.4, 0.1, 90, 87)}, "b": {"figures": figures}}}
    assert gate.scores_kept("scores", compared, LIMITS).passed is passed
    assert gate.scores_kept("scores", None, LIMITS).passed is None


def test_a_label_is_not_lost_behind_the_others():
    kept = {"common": Pairs(900, 0, 6, 40), "rare": Pairs(6, 6, 0, 0)}
    assert not_worse("overall", kept, LIMITS).passed
    verdict = labels_kept("labels", kept, [], LIMITS)
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
    assert labels_kept("labels", {"a": pairs}, [], LIMITS).passed is passed


def test_a_label_that_is_no_longer_known_is_refused():
    verdict = labels_kept("labels", {"a": Pairs(9, 0, 0, 0)}, ["b"], LIMITS)
    assert verdict.passed is False and "b" in verdict.english


@pytest.mark.parametrize(("before", "kept", "passed"), [(100, 100, True), (100, 95, True), (100, 94, False)])
def test_a_split_that_was_changed_is_no_judge(before, kept, passed):
    verdict = gate.same_split("validation-split", "v1", before, kept, LIMITS)
    assert verdict.passed is passed and "for v1" in verdict.english


def test_verdicts_are_json_and_both_languages():
    verdict = not_worse("overall", {"a": Pairs(90, 5, 7, 10)}, LIMITS)
    found = verdict.to_json()
    assert (found["name"], found["passed"], found["n"], found["only_new"]) == ("overall", verdict.passed, 112, 7)
    assert found["interval"][0] < found["new"] - found["old"] < found["interval"][1]
    assert verdict.english in verdict.text.en and "112 张照片" in verdict.text.zh
    assert not gate.published([verdict, labels_kept("labels", {}, ["b"], LIMITS)])
    assert gate.published([labels_kept("labels", {}, [], LIMITS)])
