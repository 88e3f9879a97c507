"""What is asked of a benchmark in rounds: figures of each round, and the goal's value over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmarks.results import Goal, significant

Rounds = Sequence[Mapping[str, Any]]
"""For each round, by the name of what has turns in it, its turn."""


class Asked(NamedTuple):
    """A goal before it is measured. ``of_round`` gives its figure in one round, None if it was not measured.

    Its value is the median over the rounds; with ``total`` their sum. ``once``: it is measured in the first one only.
    """

    name: str
    unit: str
    goal: float
    better: Literal["higher", "lower"]
    of_round: Callable[[Mapping[str, Any]], float | None]
    total: bool = False
    once: bool = False


def ratio(above: float | None, below: float | None) -> float | None:
    """One figure over another; None unless both were measured and the second is not 0."""
    return above / below if above is not None and below else None


def goals_of(asked: Iterable[Asked], rounds: Rounds) -> list[Goal]:
    """Every goal, the missed ones too; one that a round lacks has no value, and is missed."""
    found = []
    for each in asked:
        values = _values(each, rounds)
        # The median of the rounds that went well would be of fewer rounds than were asked for, and nobody would see it.
        whole = bool(values) and len(values) == (1 if each.once else len(rounds))
        value = None if not whole else sum(values) if each.total else float(np.median(values))
        found.append(Goal(each.name, value, each.unit, each.goal, each.better))
    return found


def spread_of(asked: Iterable[Asked], rounds: Rounds) -> dict[str, dict[str, Any]]:
    """For each goal that was measured ``p10`` and ``p90`` over the rounds, and ``rounds``, each round's figure."""
    found = {}
    for each in asked:
        if not each.once and (values := _values(each, rounds)):
            low, high = np.percentile(values, (10, 90))
            found[each.name] = {
                "p10": significant(float(low)),
                "p90": significant(float(high)),
                "rounds": [significant(value) for value in values],
            }
    return found


def _values(asked: Asked, rounds: Rounds) -> list[float]:
    values = map(asked.of_round, rounds[:1] if asked.once else rounds)
    return [value for value in values if value is not None]
