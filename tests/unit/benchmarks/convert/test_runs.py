from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.convert import runs


class Page:
    """A page whose graph models take set times, longer for the one that runs after the other one."""

    def __init__(self, milliseconds: Mapping[str, float], switching: float) -> None:
        self._milliseconds, self._switching = milliseconds, switching
        self.turns: list[int] = []

    def time(self, images: Mapping[str, Any], backend: str, turns: int) -> dict[str, list[float]]:
        self.turns.append(turns)
        taken: dict[str, list[float]] = {model: [] for model in images}
        before = None
        for turn in range(turns):
            for model in reversed(images) if turn % 2 else images:
                taken[model].append(self._milliseconds[model] + (self._switching if before not in (None, model) else 0))
                before = model
        return taken


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Times routes by a page; gives what is found, and how often each was timed."""
    np.save(tmp_path / runs.PIXELS, np.zeros((2, 8, 8, 3), np.uint8))

    @contextmanager
    def nothing() -> Iterator[None]:
        yield None

    def run(milliseconds: Mapping[str, float], switching: float = 0.0) -> tuple[dict[str, Any], list[int]]:
        page = Page(milliseconds, switching)

        @contextmanager
        def opened(browser: None, folder: Path) -> Iterator[Page]:
            yield page

        monkeypatch.setattr(runs, "chromium", nothing)
        monkeypatch.setattr(runs, "graph_page", opened)
        return runs.measure(tmp_path, list(milliseconds)), page.turns

    return run


def test_the_ratio_is_the_other_routes_time_over_ours(timed) -> None:
    found, turns = timed({"direct": 20.0, "official": 30.0})
    assert found["speed_ratio"] == pytest.approx(1.5)
    assert (found["direct"]["ms"], found["official"]["ms"]) == (20.0, 30.0)
    assert turns == [1, 60] and found["direct"]["runs"] == 60


@pytest.mark.parametrize("milliseconds", [5.0, 300.0, 550.0, 2000.0])
def test_running_after_the_other_one_costs_both_the_same(timed, milliseconds: float) -> None:
    found, turns = timed({"direct": milliseconds, "official": milliseconds}, switching=milliseconds / 5)
    assert found["speed_ratio"] == pytest.approx(1.0, abs=1e-9)
    assert turns[1] % 2 == 0 and 16 <= turns[1] <= 60


def test_one_route_has_no_ratio(timed) -> None:
    found, _ = timed({"direct": 20.0})
    assert list(found) == ["direct"]
