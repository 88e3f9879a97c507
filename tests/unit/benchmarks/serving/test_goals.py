"""Goals are medians of what is divided within one round; what was not measured is missed."""

from __future__ import annotations

import pytest

from benchmarks.serving.goals import ASKED, figure, goals, ratio, spread
from benchmarks.serving.plan import BUSY, CROWDED, OURS, PEERS
from tests.unit.benchmarks.serving.rounds import made, not_timed, turn


def by_name(rounds):
    return {goal.name: goal for goal in goals(rounds)}


def test_the_goals_are_those_that_were_asked_for() -> None:
    assert {asked.name: (asked.better, asked.goal) for asked in ASKED} == {
        "vs_fastapi_tutorial": ("higher", 1.2),
        "vs_fastapi_tuned": ("higher", 1.0),
        "vs_bentoml_documented": ("higher", 2),
        "vs_litserve": ("higher", 2),
        "vs_flask_eager": ("higher", 5),
        "cpu_per_photo_vs_ceiling": ("lower", 1.1),
        "mean_batch": ("higher", 2),
        "p50_vs_fastapi_tuned_1": ("lower", 1.1),
        "p50_vs_fastapi_tuned_1_after_burst": ("lower", 1.1),
        "large_vs_fastapi_tutorial": ("higher", 3),
        "failed_128": ("lower", 0),
        "p99_over_p50_128": ("lower", 3),
    }


def test_a_machine_that_is_faster_in_one_round_changes_no_ratio() -> None:
    found = {name: goal.value for name, goal in by_name(made()).items()}
    assert found == pytest.approx(
        {
            "vs_fastapi_tutorial": 1.6,
            "vs_fastapi_tuned": 1.25,
            "vs_bentoml_documented": 2.5,
            "vs_litserve": 4.0,
            "vs_flask_eager": 8.0,
            "cpu_per_photo_vs_ceiling": 1.25,
            "mean_batch": 4.0,
            "p50_vs_fastapi_tuned_1": 0.8,
            "p50_vs_fastapi_tuned_1_after_burst": 0.8,
            "large_vs_fastapi_tutorial": 1.6,
            "failed_128": 0,
            "p99_over_p50_128": 2.0,
        }
    )
    missed = {name for name, goal in by_name(made()).items() if not goal.met}
    assert missed == {"cpu_per_photo_vs_ceiling", "large_vs_fastapi_tutorial"}


def test_the_value_is_the_median_of_the_rounds_own_ratios() -> None:
    rounds = made()
    for number, factor in enumerate((0.5, 0.6, 0.7, 1.0, 1.1, 1.2, 9.0)):
        rounds[number][OURS] = turn(OURS, factor)
        rounds[number]["fastapi_tuned"] = turn("fastapi_tuned")
    assert by_name(rounds)["vs_fastapi_tuned"].value == pytest.approx(1.25)
    found = spread(rounds)["vs_fastapi_tuned"]
    assert found["rounds"] == pytest.approx([0.625, 0.75, 0.875, 1.25, 1.375, 1.5, 11.25])
    assert (found["p10"], found["p90"]) == pytest.approx((0.7, 5.4))


def test_failures_are_counted_over_all_rounds() -> None:
    rounds = made()
    rounds[2][OURS]["cells"][CROWDED.key]["failed"] = 1
    goal = by_name(rounds)["failed_128"]
    assert (goal.value, goal.met) == (1, False)


def test_what_was_not_timed_is_missed_and_has_no_spread() -> None:
    rounds = made()
    for turns in rounds:
        turns["litserve"] = not_timed("does not start")
        del turns["flask_eager"]
    found = by_name(rounds)
    for name in ("vs_litserve", "vs_flask_eager"):
        assert (found[name].value, found[name].met) == (None, False)
        assert name not in spread(rounds)
    assert found["vs_fastapi_tuned"].met


def test_what_a_round_lacks_is_missed_and_its_spread_is_of_the_others() -> None:
    rounds = made()
    rounds[0]["litserve"] = not_timed("does not start")
    assert len(spread(rounds)["vs_litserve"]["rounds"]) == 6
    goal = by_name(rounds)["vs_litserve"]
    assert (goal.value, goal.met) == (None, False)


def test_a_ratio_needs_both() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(None, 2.0) is ratio(3.0, None) is ratio(3.0, 0.0) is None
    assert ratio(0.0, 2.0) == 0.0
    assert figure({}, PEERS[0], BUSY, "p50_ms") is None
