"""What is worked out from measurements: the hundredth answer, who wins from where, what it costs."""

from __future__ import annotations

import pytest

from benchmarks.scaling import UTILISATION
from loadtest import model
from loadtest.model import Series, Win, extended, pace, steady, wins_from


def line(first: float, step: float, count: int = 100, measured: int | None = None) -> Series:
    return Series([first + step * index for index in range(count)], count if measured is None else measured)


def test_the_pace_is_that_of_whole_cycles() -> None:
    # Every third photo takes long; the fourth answer, which came quickly, would make the mix look cheap.
    assert pace([1, 2, 11, 12], cycle=3) == 5
    assert pace([1, 2, 11, 12, 13, 22], cycle=3) == pytest.approx(21 / 5)
    assert pace([4, 6], cycle=10) == 2
    assert pace([4], cycle=1) is None
    assert pace([], cycle=1) is None


def test_a_visit_that_was_long_enough_is_all_measured() -> None:
    series = extended(list(range(150)), cycle=10)
    assert series is not None
    assert (len(series.times), series.at(1), series.at(100)) == (100, (0, "measured"), (99, "measured"))


def test_a_visit_that_was_cut_off_goes_on_at_its_pace() -> None:
    series = extended([30, 10, 20], cycle=3, count=6)
    assert series == Series([10, 20, 30, 40, 50, 60], 3)
    assert series.at(3) == (30, "measured")
    assert series.at(4) == (40, "modelled")


def test_without_two_answers_there_is_no_pace() -> None:
    assert extended([5], cycle=2) is None
    assert extended([], cycle=2) is None
    assert extended([5], cycle=2, count=1) == Series([5], 1)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (line(1, 1), line(2, 1), Win(1, "measured")),
        (line(1, 1), line(1, 1), Win(1, "measured")),  # no later is enough
        (line(51, 1), line(0, 2), Win(52, "measured")),
        (line(51, 1, measured=9), line(0, 2), Win(52, "modelled")),
        (line(51, 1), line(0, 2, measured=60), Win(52, "modelled")),
        (line(500, 1), line(0, 2), Win(501, "modelled")),  # it gains one millisecond a photo
        (line(5, 2), line(0, 2), Win(None, "modelled")),
        (line(5, 3), line(0, 2), Win(None, "modelled")),
        (line(1e12, 1), line(0, 2), Win(None, "modelled")),
    ],
)
def test_the_device_wins_from_a_number_of_photos_on(ours: Series, theirs: Series, expected: Win) -> None:
    assert wins_from(ours, theirs) == expected


def test_a_lead_that_is_lost_again_does_not_count() -> None:
    ours, theirs = Series([1, 9, 3, 4], 4), Series([2, 2, 4, 5], 4)
    assert wins_from(ours, theirs) == Win(3, "measured")


def test_a_steady_visit() -> None:
    assert steady(10, 5, 3) == Series([10, 15, 20], 1)


def test_costs() -> None:
    assert model.cpu_per_photo(0.01, 0.5, photos=100) == pytest.approx(0.015)
    # 100 visitors with 100 photos in 600 seconds: 16.7 photos a second.
    assert model.cores(100, 0.006) == pytest.approx(0.1 / UTILISATION)
