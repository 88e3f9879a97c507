"""What a turn holds when all goes well, and when a page fails in the middle of it; visits are made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.page import turn as turns
from benchmarks.page import visits
from benchmarks.page.plan import LINE, OURS
from benchmarks.page.turn import Photo, Plan, rehearse, take
from twinlens.errors import TwinlensError

PLAN = Plan(Photo(Path("small.jpg"), "hat"), Photo(Path("large.jpg"), "shoes"), photos=3, threads=2)


class Visits:
    """Stands for :mod:`benchmarks.page.visits`: notes what was asked for, and fails where it is told to."""

    def __init__(self, fails: str = "") -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._fails = fails

    def _note(self, what: str, *details: Any) -> None:
        self.asked.append((what, *details))
        if what == self._fails:
            raise TwinlensError("internal", "The page answers hat, not shoes.")

    def first(self, url: str, photo: Path, label: str, line: Any) -> dict[str, Any]:
        self._note("first", label, line)
        return {"milliseconds": 1.0, "bytes": None if line is None else 5}

    def warm(self, url: str, photo: Path, label: str, count: int) -> list[float]:
        self._note("warm", url.partition("?")[2], count)
        return count * [2.0]

    def large(self, url: str, photo: Path, big: Path, label: str, count: int) -> dict[str, list[float]]:
        self._note("large", label)
        return {"answer_ms": count * [3.0], "decode_ms": count * [2.0]}

    def leaked(self, url: str, photo: Path, label: str, count: int) -> int:
        self._note("leaked", label)
        return 0


def standing_in(monkeypatch: pytest.MonkeyPatch, fails: str = "") -> Visits:
    stand_in = Visits(fails)
    monkeypatch.setattr(turns, "visits", stand_in)
    return stand_in


def test_our_page_has_every_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in = standing_in(monkeypatch)
    found = take(OURS, {"/": tmp_path}, PLAN, leak=True)
    assert found == {
        "line_ms": 1.0,
        "line_bytes": 5,
        "direct_ms": 1.0,
        "warm_ms": [2.0, 2.0, 2.0],
        "warm_threads_ms": [2.0, 2.0, 2.0],
        "large_ms": [3.0, 3.0, 3.0],
        "large_decode_ms": [2.0, 2.0, 2.0],
        "leaked": 0,
    }
    assert ("first", "hat", LINE) in stand_in.asked and ("first", "hat", None) in stand_in.asked
    assert ("large", "shoes") in stand_in.asked


def test_a_peer_has_its_own_query_and_no_large_photo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in = standing_in(monkeypatch)
    found = take("litert_js", {"/": tmp_path}, PLAN, leak=False)
    assert "large_ms" not in found and "leaked" not in found
    assert [asked for asked in stand_in.asked if asked[0] == "warm"] == [("warm", "", 3), ("warm", "threads=2", 3)]


def test_on_one_core_there_is_no_second_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    standing_in(monkeypatch)
    assert "warm_threads_ms" not in take("litert_js", {"/": tmp_path}, PLAN._replace(threads=1), leak=False)


def test_a_page_that_fails_says_why_and_has_no_further_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    standing_in(monkeypatch, fails="warm")
    found = take(OURS, {"/": tmp_path}, PLAN, leak=True)
    assert found == {
        "line_ms": 1.0,
        "line_bytes": 5,
        "direct_ms": 1.0,
        "failed": "The page answers hat, not shoes.",
    }
    rehearse(OURS, {"/": tmp_path}, PLAN)  # whose errors are told when it is timed


@pytest.mark.parametrize(("moment", "count"), [(0.5, 0), (1.0, 10), (2.7, 20), (9.0, 35)])
def test_bytes_are_those_that_had_come_by_then(moment: float, count: int) -> None:
    assert visits.down_by([(1.0, 10), (2.0, 20), (3.0, 35)], moment) == count
