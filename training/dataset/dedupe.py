"""Which of the photos that show the same picture is kept, and which are set aside.

The one that is kept is in test, else in validation, else held out, else in train: what models are measured on stays
what it is, and a photo to learn from whose twin is in test is a leak, which makes figures too good. Of one split the
one that has a licence is kept, then the one with more pixels, then the larger file, then the first by path. Photos are
compared with the one that is kept and not along a chain, in which each is near the next and the last shows something
else.

Where twins of one split have different labels, somebody has to look: both stay, and are listed as a conflict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from PIL import Image

from training.dataset.twins import NEAR, Pair, twins
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.dataset.quarantine import Finding

_ORDER: Final = {"test": 0, "validation": 1, "held-out": 2, "train": 3, None: 4}


@dataclass(frozen=True)
class Twin:
    """A photo and the one it is a copy of."""

    row: Row
    of: Row
    distance: int
    exact: bool

    @property
    def leak(self) -> bool:
        """Whether they are in different splits."""
        return None not in (self.row.split, self.of.split) and self.row.split != self.of.split

    @property
    def conflict(self) -> bool:
        """Whether they have different labels."""
        return self.row.label != self.of.label

    def describe(self) -> str:
        """What it is, for a person."""
        how = "the same bytes as" if self.exact else f"the same picture ({self.distance} of 256 bits differ) as"
        where = f", which is in {self.of.split}: a leak" if self.leak else ""
        label = f"; one is {self.row.label!r}, the other {self.of.label!r}" if self.conflict else ""
        return f"{how} {self.of.path}{where}{label}"


@dataclass
class Duplicates:
    """What was found."""

    set_aside: list[Twin] = field(default_factory=list)
    conflicts: list[Twin] = field(default_factory=list)
    """Both are kept, since their labels differ and they are in one split."""

    @property
    def leaks(self) -> int:
        """Copies whose twin is in another split."""
        return sum(twin.leak for twin in self.set_aside)

    def findings(self) -> list[Finding]:
        """What to move."""
        return [
            Finding(twin.row.path, "leak" if twin.leak else "exact" if twin.exact else "near", twin.describe())
            for twin in self.set_aside
        ]


def find_duplicates(folder: Path, near: int = NEAR) -> Duplicates:
    """Choose what is kept of each picture.

    :param folder: of the data set.
    :param near: bits by which hashes may differ; below 0, only the same bytes count.
    :raises TwinlensError: ``invalid_data`` if there is no manifest, or a photo cannot be read.
    """
    rows = manifest.require(folder)
    return choose(rows, twins(folder, rows, near), [_size(folder / row.path) for row in rows])


def choose(rows: Sequence[Row], pairs: Sequence[Pair], sizes: Sequence[tuple[int, int]]) -> Duplicates:
    """What :func:`find_duplicates` does, from the pairs.

    :param sizes: of the photos, in pixels, and of their files, in bytes.
    """

    def worth(index: int) -> tuple[object, ...]:
        (pixels, size), row = sizes[index], rows[index]
        return _ORDER[row.split], row.licence is None, -pixels, -size, row.path

    near: dict[int, list[tuple[int, Pair]]] = defaultdict(list)
    first_of: dict[int, int] = {}
    for pair in pairs:
        if pair.exact:
            first_of.setdefault(pair.other, pair.one)
        else:
            near[pair.one].append((pair.other, pair))
            near[pair.other].append((pair.one, pair))
    copies: dict[int, list[int]] = defaultdict(list)
    for index in range(len(rows)):
        copies[first_of.get(index, index)].append(index)
    order = sorted(range(len(rows)), key=worth)
    result, gone = Duplicates(), set[int]()
    settled = set[int]()
    for kept in order:
        if kept in gone:
            continue
        settled.add(kept)
        first = first_of.get(kept, kept)
        candidates = [(index, 0, True) for index in copies[first]]
        candidates += [(index, pair.distance, False) for other, pair in near[first] for index in copies[other]]
        for index, distance, exact in candidates:
            if index in gone or index in settled:
                continue
            twin = Twin(rows[index], rows[kept], distance, exact)
            if twin.conflict and not twin.leak:
                result.conflicts.append(twin)
            else:
                result.set_aside.append(twin)
                gone.add(index)
    return result


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:  # its header alone
            return image.width * image.height, path.stat().st_size
    except (OSError, Image.DecompressionBombError):
        return 0, 0
