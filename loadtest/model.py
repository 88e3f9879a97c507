"""What follows from the measurements: longer visits, from how many photos on one way wins, costs, more visitors.

Pure functions. Whatever they add to what was measured is marked as modelled where it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from benchmarks.scaling import UTILISATION

NTH: Final = 100
"""The answer, beside the first, whose time is reported, and the photos of a visit wherever one is priced."""
VISITORS: Final = (1, 10, 100, 1_000, 10_000)
VISIT_SECONDS: Final = 600.0
"""How long a modelled visitor takes to send :data:`NTH` photos."""
_FARTHEST: Final = 1_000_000

How = Literal["measured", "modelled"]


class Series(NamedTuple):
    """Milliseconds until each answer, first to last, of which the first ``measured`` were measured."""

    times: list[float]
    measured: int

    def at(self, number: int) -> tuple[float, How]:
        """The time of one answer, counted from 1, and where it comes from."""
        return self.times[number - 1], "measured" if number <= self.measured else "modelled"


class Win(NamedTuple):
    """From how many photos on a visit is faster; None if from no number on."""

    photos: int | None
    how: How


def pace(times: Sequence[float], cycle: int) -> float | None:
    """Milliseconds from one answer to the next, over whole cycles of the mix; None without two answers.

    :param times: when the answers came.
    :param cycle: how many photos hold the whole mix.
    """
    last = len(times) if len(times) <= cycle else len(times) // cycle * cycle
    return (times[last - 1] - times[0]) / (last - 1) if last > 1 else None


def extended(times: Sequence[float], cycle: int, count: int = NTH) -> Series | None:
    """A visit of ``count`` photos: what was measured, then one answer after the other at the same pace.

    :return: None if too little was measured to know the pace.
    """
    ordered = sorted(times)
    step = pace(ordered, cycle)
    if not ordered or (step is None and len(ordered) < count):
        return None
    more = [ordered[-1] + (step or 0.0) * (index + 1) for index in range(count - len(ordered))]
    return Series([*ordered, *more][:count], min(len(ordered), count))


def steady(first: float, step: float, count: int = NTH) -> Series:
    """A visit that is modelled from its first answer and its pace alone."""
    return Series([first + step * index for index in range(count)], 1)


def wins_from(ours: Series, theirs: Series) -> Win:
    """The number of photos from which our visit is over no later than theirs, for good.

    Where we are behind to the end but gain on them, the lead is worked out from the last answers' paces.
    """
    behind = [ours.times[index] > theirs.times[index] for index in range(len(ours.times))]
    if not behind[-1]:
        number = len(behind) - behind[::-1].index(True) + 1 if True in behind else 1
        return Win(number, "measured" if len(behind) <= min(ours.measured, theirs.measured) else "modelled")
    count = len(behind)
    gain = ((theirs.times[-1] - theirs.times[0]) - (ours.times[-1] - ours.times[0])) / max(count - 1, 1)
    if gain <= 0:
        return Win(None, "modelled")
    number = count + int(-(-(ours.times[-1] - theirs.times[-1]) // gain))
    return Win(number if number <= _FARTHEST else None, "modelled")


def cpu_per_photo(per_photo: float, per_visit: float, photos: int = NTH) -> float:
    """Server seconds of a photo, its share of the visit's files among them."""
    return per_photo + per_visit / photos


def cores(visitors: int, cpu_seconds: float) -> float:
    """The cores that a server needs while so many visitors send :data:`NTH` photos each in :data:`VISIT_SECONDS`."""
    return visitors * NTH * cpu_seconds / VISIT_SECONDS / UTILISATION
