"""Dividing a data set into train, validation and test: by seed, each label in proportion, groups kept together.

The algorithm is iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011), on groups: the label with the
fewest groups left is served first, and each of its groups goes to the split that is furthest from its share of that
label. scikit-learn's StratifiedGroupKFold makes equal folds only, and leaves a label of few photos out of a fold.

A photo's place depends on the photos and the seed, not on the files' names. What has a split keeps it unless everything
is divided anew: figures on a test split that changes cannot be compared. Photos that are held out from every network
stay that in any case.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from training.dataset.twins import NEAR, Pair, clusters, exact_pairs, twins
from twinlens.dataset import manifest
from twinlens.dataset.manifest import HELD_OUT, Row, Split
from twinlens.errors import TwinlensError

SHARE: Final = 0.1
MEASURED: Final[tuple[Split, ...]] = ("validation", "test")
SPLITS: Final[tuple[Split, ...]] = ("train", HELD_OUT, *MEASURED)


def split(
    folder: Path,
    seed: int = 0,
    validation: float = SHARE,
    test: float = SHARE,
    near: int = NEAR,
    anew: bool = False,
    pattern: re.Pattern[str] | None = None,
) -> list[Row]:
    """Give every photo that has no split one, and write the manifest.

    :param folder: of the data set, held by :func:`twinlens.dataset.manifest.changing`.
    :param seed: decides between groups that fit equally well.
    :param validation: part of each label that goes there.
    :param test: part of each label that goes there.
    :param near: photos that show the same picture are kept together: see :func:`training.dataset.twins.twins`.
    :param anew: divide all photos, whatever splits they have.
    :param pattern: finds groups in the paths, to be recorded: see :func:`grouped`.
    :return: all rows.
    :raises TwinlensError: ``invalid_data`` if there is no manifest, or a photo cannot be read; ``invalid_arguments`` if
        nothing would be left to learn from.
    """
    if validation + test >= 1:
        raise TwinlensError("invalid_arguments", "--validation and --test together must be below 1.")
    rows = manifest.require(folder)
    if pattern is not None:
        rows = grouped(rows, pattern)
    divided = divide(rows, twins(folder, rows, near), seed, {"validation": validation, "test": test}, anew)
    manifest.write(folder, divided)
    return divided


def grouped(rows: Sequence[Row], pattern: re.Pattern[str]) -> list[Row]:
    """Rows with the group that a pattern finds in their path: its first group, else all that it matches."""
    found = []
    for row in rows:
        match = pattern.search(row.path)
        name = match and (match[1] if pattern.groups else match[0])
        found.append(row.model_copy(update={"group": name}) if name else row)
    return found


def divide(rows: Sequence[Row], pairs: Sequence[Pair], seed: int, parts: dict[Split, float], anew: bool) -> list[Row]:
    """What :func:`split` does, from the pairs.

    :param parts: share of each split but train.
    """
    shares: dict[Split, float] = {"train": 1 - sum(parts.values()), **parts}
    groups = together(rows, pairs)
    of_label: dict[str, set[int]] = defaultdict(set)
    for number, members in enumerate(groups):
        for index in members:
            of_label[rows[index].label].add(number)
    wanted = _wanted(rows, shares, {label: len(found) for label, found in of_label.items()})
    chosen: dict[int, Split] = {}
    held: dict[str, set[Split]] = defaultdict(set)

    def put(number: int, place: Split) -> None:
        chosen[number] = place
        for label, count in Counter(rows[index].label for index in groups[number]).items():
            wanted[label][place] = wanted[label].get(place, 0.0) - count
            held[label].add(place)
            of_label[label].discard(number)

    def stays(row: Row) -> bool:
        return row.split == HELD_OUT or (row.split is not None and not anew)

    for number, members in enumerate(groups):
        given = [rows[index].split for index in members if stays(rows[index])]
        # A group that is divided already, which `check` calls a leak, draws what is new to where it is not learned.
        if place := next((place for place in reversed(SPLITS) if place in given), None):
            put(number, place)
    drawn = [_drawn(seed, [rows[index].sha256 for index in members]) for members in groups]
    # Large groups last, which is to train, where there are others.
    queues = {
        label: deque(sorted(numbers, key=lambda number: (len(groups[number]), drawn[number])))
        for label, numbers in of_label.items()
    }
    while queues:
        label = min(queues, key=lambda label: (len(of_label[label]), label))
        while queues[label] and queues[label][0] in chosen:
            queues[label].popleft()
        if queues[label]:
            number = queues[label].popleft()
            put(number, _place(wanted[label], shares, held[label], len(groups[number])))
        else:
            del queues[label]
    place_of = {index: chosen[number] for number, members in enumerate(groups) for index in members}
    return [row if stays(row) else row.model_copy(update={"split": place_of[index]}) for index, row in enumerate(rows)]


def completed(rows: Sequence[Row], seed: int) -> list[Row]:
    """The splits that training needs and a manifest does not give, made of the photos in train, or of all.

    A tenth of each label goes to each of them, groups and files of the same bytes kept together. What is in validation,
    in test or held out already stays there, and in train what belongs to it.

    :param rows: all of them in a split, or none.
    :raises TwinlensError: ``invalid_data`` if there are too few groups.
    """
    given = {row.split for row in rows}
    missing: dict[Split, float] = {place: SHARE for place in MEASURED if place not in given}
    pairs = list(exact_pairs(rows))
    free = {
        index
        for members in together(rows, pairs)
        if all(rows[index].split in (None, "train") for index in members)
        for index in members
    }
    undivided = [row.model_copy(update={"split": None}) if index in free else row for index, row in enumerate(rows)]
    found = divide(undivided, pairs, seed, missing, False)
    needed = ["train", *missing]
    if lacking := [place for place in needed if all(row.split != place for row in found)]:
        raise TwinlensError(
            "invalid_data",
            f"The photos are of too few groups for {' and '.join(lacking)}, since each stays in one split: add photos "
            "of other groups, or make smaller ones.",
        )
    return found


def together(rows: Sequence[Row], pairs: Sequence[Pair]) -> list[list[int]]:
    """Photos that must stay together, as indices: by ``group``, and by twins; one that is alone is a list of one."""
    first: dict[str, int] = {}
    joined = list(pairs)
    for index, row in enumerate(rows):
        if row.group is not None:
            joined.append(Pair(first.setdefault(row.group, index), index, 0, False))
    found = clusters(len(rows), joined)
    grouped = {index for members in found for index in members}
    return found + [[index] for index in range(len(rows)) if index not in grouped]


def _wanted(rows: Sequence[Row], shares: dict[Split, float], groups: dict[str, int]) -> dict[str, dict[Split, float]]:
    """How many photos of each label each split should have: at least one held out, where there are groups enough."""
    wanted: dict[str, dict[Split, float]] = {}
    for label, count in Counter(row.label for row in rows).items():
        held: dict[Split, float] = {
            place: share * count for place, share in shares.items() if place != "train" and share > 0
        }
        if groups[label] > len(held):
            held = {place: max(1.0, float(round(share))) for place, share in held.items()}
        wanted[label] = {"train": count - sum(held.values()), **held}
    return wanted


def _place(wanted: dict[Split, float], shares: dict[Split, float], held: set[Split], size: int) -> Split:
    """The held-out split that lacks most for its share of a label and that a group fits in, else train.

    A group fits if at least half of it is still wanted, or if nothing of the label is there yet.
    """
    fitting = [
        place
        for place, count in wanted.items()
        if place != "train" and count >= 1 and (count >= size / 2 or place not in held)
    ]
    return max(fitting, key=lambda place: (wanted[place] / shares[place], place), default="train")


def _drawn(seed: int, sha256s: Sequence[str]) -> bytes:
    return hashlib.sha256(f"{seed}/{min(sha256s)}".encode()).digest()
