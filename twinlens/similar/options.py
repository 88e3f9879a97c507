"""What can be asked for when an index is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["flat", "hnsw", "ivfpq"]

KINDS: Final[tuple[Kind, ...]] = ("flat", "hnsw", "ivfpq")
DIMENSIONS: Final = 128
"""Of the vectors, unless someone says otherwise; the most that there may be where there is a projection."""
RECALL: Final = 0.99
"""Share of the ten nearest that a search is to find, unless someone says otherwise."""


@dataclass(frozen=True)
class Options:
    """What is asked for.

    ``dimensions`` is None for no projection. ``kind`` is None where size and recall decide.
    """

    dimensions: int | None = DIMENSIONS
    kind: Kind | None = None
    recall: float = RECALL
