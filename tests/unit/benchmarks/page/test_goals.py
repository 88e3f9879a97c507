"""Goals are medians of what is divided within one round; what was not measured is missed."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.page.goals import ASKED, DEFINITIONS, best_peer, figure, goals, ratio, spread
from benchmarks.page.plan import OURS, PEERS
from benchmarks.results import Goal
from tests.unit.benchmarks.page.rounds import made, turn


def by_name(rounds: list[dict[str, Any]]) -> dict[str, Goal]:
    return {goal.name: goal for goal in goals(rounds)}


def test_the_goals_are_those_that_were_asked_for() -> None:
    assert {asked.name: (asked.better, asked.goal) for asked in ASKED} == {
        "bytes_to_first_answer": ("lower", 2.3),
        "first_answer_vs_best_peer": ("higher", 2.0),
        "warm_vs_best_peer": ("lower", 0.9),
        "tensors_leaked_after_200": ("lower", 0.0),
        "large_photo_ratio": ("lower", 1.5),
    }
    assert {asked.name for asked in ASKED} <= set(DEFINITIONS)


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    found = by_name(made())
    assert {name: goal.value for name, goal in found.items()} == pytest.approx(
        {
            "bytes_to_first_answer": 1.5,
            "first_answer_vs_best_peer": 2.5,
            "warm_vs_best_peer": 0.8,
            "tensors_leaked_after_200": 0,
            "large_photo_ratio": 1.4,
        }
    )
    assert all(goal.met for goal in found.values())


def test_the_best_peer_is_each_rounds_own() -> None:
    rounds = made()
    for number in range(4):
        rounds[number]["litert_js"]["line_ms"] = 1.5 * rounds[number][OURS]["line_ms"]
    assert best_peer(rounds[0], "line_ms") == 3000.0
    assert by_name(rounds)["first_answer_vs_best_peer"].value == pytest.approx(1.5)
    assert not by_name(rounds)["first_answer_vs_best_peer"].met


def test_a_peer_that_fails_does_not_count_and_without_peers_there_is_no_ratio() -> None:
    rounds = made()
    for turns in rounds:
        turns["onnxruntime_web"] = {"failed": "it does not answer"}
    assert by_name(rounds)["first_answer_vs_best_peer"].value == pytest.approx(3.0)
    for turns in rounds:
        for peer in PEERS:
            turns.pop(peer)
    found = by_name(rounds)
    assert found["first_answer_vs_best_peer"].value is None and not found["first_answer_vs_best_peer"].met
    assert found["bytes_to_first_answer"].met


def test_one_round_that_lacks_a_figure_leaves_the_goal_without_a_value() -> None:
    rounds = made()
    rounds[3][OURS] = {"line_ms": 2000.0, "line_bytes": 1_500_000, "failed": "it does not answer"}
    found = by_name(rounds)
    assert found["warm_vs_best_peer"].value is None and found["large_photo_ratio"].value is None
    assert found["first_answer_vs_best_peer"].value is not None


def test_tensors_are_counted_in_the_first_round_only() -> None:
    rounds = made()
    rounds[0][OURS]["leaked"] = 2
    assert by_name(rounds)["tensors_leaked_after_200"].value == 2
    assert not by_name(rounds)["tensors_leaked_after_200"].met
    del rounds[0][OURS]["leaked"]
    assert by_name(rounds)["tensors_leaked_after_200"].value is None
    assert "tensors_leaked_after_200" not in spread(rounds)


def test_the_spread_has_every_round() -> None:
    rounds = made()
    for number, factor in enumerate((1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)):
        rounds[number][OURS] = turn(OURS, factor=1.0)
        rounds[number]["onnxruntime_web"] = turn("onnxruntime_web", factor)
    found = spread(rounds)["warm_vs_best_peer"]
    assert found["rounds"] == [pytest.approx(0.8 / factor, rel=1e-3) for factor in (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)]
    assert found["p10"] == pytest.approx(0.52, abs=1e-3) and found["p90"] == pytest.approx(0.7564, abs=1e-3)


def test_a_figure_of_several_times_is_their_median() -> None:
    turns = {OURS: turn(OURS)}
    assert figure(turns, OURS, "warm_ms") == 16.0
    assert figure(turns, OURS, "line_ms") == 2000.0
    assert figure(turns, OURS, "leaked") is None and figure(turns, "litert_js", "line_ms") is None


def test_ratios_of_what_is_not_there() -> None:
    assert (ratio(None, 1.0), ratio(1.0, None), ratio(1.0, 0.0), ratio(1.0, 4.0)) == (None, None, None, 0.25)
