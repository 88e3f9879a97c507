"""When a slower device counts as one, and how it is made as slow as it has to be."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest

from loadtest.calibration import Loop, holds


class Machine:
    """A page and the limit on its browser: a loop there runs at the machine's speed, at what a quota leaves of it.

    :param kept: the part of a share that reaches the loop.
    """

    name = "made"

    def __init__(self, kept: float, speeds: list[float]) -> None:
        self._kept, self._speeds = kept, cycle(speeds)
        self.share: float | None = None

    def set(self, share: float | None) -> None:
        self.share = share

    def evaluate(self, _script: str, given: Any) -> float | None:
        if isinstance(given, str):
            return None
        return next(self._speeds) * (1.0 if self.share is None else self._kept * self.share)


def loop(machine: Machine) -> Loop:
    return Loop(machine, machine)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "measured", "expected"),
    [
        (0.25, 0.25, True),
        (0.25, 0.287, True),
        (0.25, 0.213, True),
        (0.25, 0.29, False),
        (0.25, 0.21, False),
        (1, 0.8, False),
    ],
)
def test_within_15_percent(wanted: float, measured: float, expected: bool) -> None:
    assert holds(wanted, measured) is expected


def test_a_factor_is_the_median_of_pairs_on_a_machine_that_changes_its_speed() -> None:
    machine = Machine(1.0, [2.0, 2.0, 2.0, 2.0, 1.0, 2.0, 2.0, 2.0, 1.2, 1.2, 2.8, 1.4, 2.0, 2.0])
    assert loop(machine).factor(0.25) == pytest.approx(0.25)
    assert machine.share == 0.25


@pytest.mark.parametrize("kept", [0.6, 0.95, 1.2])
def test_what_a_quota_loses_is_added_to_the_share(kept: float) -> None:
    machine = Machine(kept, [2.0])
    share, shown = loop(machine).set(0.25, 0.25)
    assert shown == pytest.approx(0.25, rel=0.07)
    assert share == machine.share == pytest.approx(0.25 if kept == 0.95 else 0.25 / kept)


def test_a_share_is_never_more_than_a_core() -> None:
    machine = Machine(0.1, [2.0])
    assert loop(machine).set(0.25, 0.25) == (1.0, pytest.approx(0.1))


def test_a_free_device_stays_free() -> None:
    machine = Machine(1.0, [2.0])
    assert loop(machine).set(1.0, None) == (None, 1.0)
    assert machine.share is None
