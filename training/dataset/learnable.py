"""Whether something can be learned from what a manifest lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.folders import readable


def learned_labels(path: Path, rows: Sequence[Row]) -> list[str]:
    """The labels that can be learned, sorted by code point.

    :param path: of the data set.
    :raises TwinlensError: ``invalid_data`` if only some photos are in a split, there are fewer than two labels, or one
        of them is not in train.
    """
    undivided = sum(row.split is None for row in rows)
    if 0 < undivided < len(rows):
        raise TwinlensError(
            "invalid_data",
            f"{undivided} of the {len(rows)} photos of {readable(path)} are in no split: run "
            f"`python -m training data split {readable(path)}`.",
        )
    learned = {row.label for row in rows if row.split in (None, "train")}
    if absent := sorted({row.label for row in rows} - learned):
        raise TwinlensError(
            "invalid_data",
            f"The label {absent[0]!r} has no photo in train, so it cannot be learned: add photos of it, or divide anew "
            f"with `python -m training data split {readable(path)} --anew`.",
        )
    if len(learned) < 2:
        raise TwinlensError(
            "invalid_data",
            f"{readable(path)} has {len(learned)} label{'s' * (len(learned) != 1)} to learn "
            f"({', '.join(sorted(learned)) or 'none'}); there must be at least 2.",
        )
    return sorted(learned)
