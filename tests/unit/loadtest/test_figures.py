"""Rows and goals, out of a made measurement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadtest import figures
from loadtest.measure import Cost, Measured
from tests.unit.loadtest.made import gathered, measured, options


def rows(found: Measured) -> list[dict[str, Any]]:
    return figures.rows(found, gathered(), options())


def one(found: list[dict[str, Any]], kind: str, **wanted: Any) -> dict[str, Any]:
    (row,) = [row for row in found if row["kind"] == kind and wanted.items() <= row.items()]
    return row


def values(found: Measured) -> dict[str, float | None]:
    return {goal.name: goal.value for goal in figures.goals(rows(found), found)}


def test_a_cell_holds_what_was_measured() -> None:
    row = one(rows(measured()), "cell", network="fibre", device="phone", way="original")
    assert row["measured"] and row["missing"] == []
    assert (row["first_s"], row["hundredth_s"], row["hundredth"]) == (0.5, 20.3, "measured")
    assert (row["warm_first_s"], row["p50_ms"], row["p95_ms"]) == (0.25, 200, 200)
    assert (row["bytes_up_per_photo"], row["bytes_down_per_photo"], row["page_bytes"]) == (2000, 100, 5000)
    # Three photos of 10 ms and one of 50 ms, and a hundredth of a visit of 100 ms: 21 ms; 21,000 s are 5.83 hours.
    assert row["server_cpu_ms_per_photo"] == pytest.approx(21)
    assert row["cost_per_million"] == pytest.approx(2.1)
    assert row["score_difference_max"] == 2e-4
    assert (row["factor_wanted"], row["factor"], row["limit"]) == (0.25, [0.25, 0.275], "cgroup quota")


def test_the_device_costs_the_server_its_files_only() -> None:
    row = one(rows(measured()), "cell", network="fibre", device="desktop", way="device")
    assert row["server_cpu_ms_per_photo"] == 1
    assert row["limit"] == "none"


def test_who_wins_from_where() -> None:
    found = rows(measured())
    # 3000 + 50 n against 500 + 200 n: even after 16.7 photos; on a second visit 1500 + 50 n against 250 + 200 n.
    first = one(found, "win", network="4g", device="phone", against="original", visit="first")
    second = one(found, "win", network="4g", device="phone", against="original", visit="second")
    assert (first["from_photos"], first["how"]) == (18, "measured")
    assert (second["from_photos"], second["how"]) == (10, "modelled")
    assert len([row for row in found if row["kind"] == "win"]) == 2 * 2 * 2 * 2


def test_a_visit_that_was_cut_off_is_modelled() -> None:
    found = rows(measured(answers=8))
    row = one(found, "cell", network="4g", device="phone", way="original")
    assert (row["measured"], row["hundredth"], row["hundredth_s"]) == (True, "modelled", 20.3)
    assert one(found, "win", network="4g", device="phone", against="original", visit="first")["how"] == "modelled"


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"factors": [0.25, 0.30]}, "the device was not as slow as it should have been"),
        ({"factors": [0.2, 0.25]}, "the device was not as slow as it should have been"),
        ({"errors": ["1.jpg: status 503"]}, "1.jpg: status 503"),
        ({"answers_ms": []}, "first_s"),
        ({"answers_ms": [1.0]}, "hundredth_s"),
    ],
)
def test_a_cell_that_lacks_something_is_not_measured(changes: dict[str, Any], missing: str) -> None:
    found = measured(**changes)
    row = one(rows(found), "cell", network="4g", device="phone", way="original")
    assert not row["measured"]
    assert row["missing"][0] == missing
    assert values(found) == {"wrong_answers": 0, "cells_unfilled": 1}


def test_without_a_price_of_a_photo_its_cells_are_not_filled() -> None:
    found = measured()
    without = {**found.costs, ("shrunk", "phone"): Cost(seconds=0.0, count=0, wrong=0)}
    assert values(replace(found, costs=without))["cells_unfilled"] == 4
    assert values(replace(found, costs={}))["cells_unfilled"] == 12


def test_every_wrong_answer_counts() -> None:
    found = measured(wrong=["1.jpg: blue, not red", "2.jpg: blue, not red"])
    found.loads["fibre", "shrunk"]["summary"]["wrong"] = 3
    found.costs["original", "photo"]["wrong"] = 4
    assert values(found)["wrong_answers"] == 9


def test_a_run_of_locust_that_broke_a_threshold_is_a_cell_unfilled() -> None:
    found = measured()
    found.loads["fibre", "shrunk"]["status"] = 1
    assert values(found) == {"wrong_answers": 0, "cells_unfilled": 1}


def test_the_goals_are_met_by_nothing_but_zero() -> None:
    found = measured()
    assert [goal.met for goal in figures.goals(rows(found), found)] == [True, True]
    found = measured(wrong=["1.jpg: blue, not red"], errors=["2.jpg: status 500"])
    assert [goal.met for goal in figures.goals(rows(found), found)] == [False, False]


def test_more_visitors_are_marked_as_modelled() -> None:
    found = [row for row in rows(measured()) if row["kind"] == "visitors"]
    assert all(row["modelled"] for row in found)
    assert one(found, "visitors", visitors=100, way="original")["cores"] == pytest.approx(0.583, rel=1e-2)
