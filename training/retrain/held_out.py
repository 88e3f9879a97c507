"""What a retraining learns from, and which reviewed photos it does not: one in five of those that are new.

A photo is held out by the digits of its own SHA-256, so the choice depends on no seed, no order and no moment, and it
is written into the manifest as a split of its own. From then on it is held out for good: no training of any kind takes
it, since none takes that split. Only photos that the model in use has not learned from are held out, under whatever
label it did: it has seen the others, and a comparison by them would be unfair to one side or the other.

Test and validation stay what they are. A photo that is in no split yet is learned from, or held out.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from twinlens.dataset import manifest
from twinlens.dataset.manifest import HELD_OUT, MANIFEST, Row
from twinlens.errors import TwinlensError
from twinlens.folders import is_folder, readable
from twinlens.review import log

EVERY: Final = 5
"""One in so many new reviewed photos is held out."""
_TRAIN: Final = "train"
_TEST: Final = "test"


def hold_out(rows: Sequence[Row], base: Iterable[Row]) -> list[Row]:
    """Give the photos that are new their split: to learn from, or held out.

    :param rows: of the manifest of now.
    :param base: of the manifest that the model in use was trained on.
    :return: the rows in their order; what was in a split is in it still, but that new reviewed photos of ``train`` may
        be held out.
    """
    known = {row.sha256 for row in base}
    place = {row.sha256: row.split for row in rows if row.split is not None}
    rows = [
        row if row.split is not None else row.model_copy(update={"split": place.get(row.sha256, _TRAIN)})
        for row in rows
    ]
    units: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        units[_unit(row)].append(row)
    learned = Counter(row.label for row in rows if row.split == _TRAIN)
    held: set[str] = set()
    for unit in sorted(units):
        members = units[unit]
        mine = Counter(row.label for row in members if row.split == _TRAIN)
        joins = any(row.split == HELD_OUT for row in members)
        new = all(row.split == _TRAIN and row.sha256 not in known for row in members)
        drawn = any(row.reviewed for row in members) and int(unit[:8], 16) % EVERY == 0
        # The last photos of a label are learned from: nothing could be, otherwise.
        spared = all(learned[label] > count for label, count in mine.items())
        if joins or (new and drawn and spared):
            held.update(row.path for row in members if row.split == _TRAIN and row.sha256 not in known)
            learned -= Counter(row.label for row in members if row.path in held)
    return [row.model_copy(update={"split": HELD_OUT}) if row.path in held else row for row in rows]


def new_reviews(rows: Iterable[Row], base: Iterable[Row]) -> int:
    """How many photos were reviewed since."""
    before = {(row.sha256, row.label, row.reviewed) for row in base}
    return sum(row.reviewed is not None and (row.sha256, row.label, row.reviewed) not in before for row in rows)


def judged_by(rows: Iterable[Row], base: Iterable[Row]) -> tuple[list[Row], list[Row], int]:
    """The photos that a candidate and the model in use are compared on.

    :return: the test photos that are as they were when the model in use was trained; the reviewed photos held out; and
        how many test photos there were then.
    """
    then = {(row.sha256, row.label) for row in base if row.split == _TEST}
    now = [row for row in rows if row.split == _TEST and (row.sha256, row.label) in then]
    return now, [row for row in rows if row.split == HELD_OUT and row.reviewed is not None], len(then)


def trained_on(folder: Path, digest: str, runs: Iterable[Path] = ()) -> list[Row]:
    """The manifest that a model was trained on, found by the digest of data in its contract.

    :param folder: of the data set.
    :param digest: with a manifest or without one; see :class:`twinlens.contract.DataSet`.
    :param runs: folders of training runs, or manifests, to look at first.
    :raises TwinlensError: ``invalid_data`` if it is nowhere to be found.
    """
    for rows in _manifests(folder, runs):
        plain = manifest.plain_digest((str(row.split), row.label, row.sha256) for row in rows)
        if digest in (manifest.digest(rows), plain):
            return rows
    raise TwinlensError(
        "invalid_data",
        f"{readable(folder)} has no manifest of what the model in use was trained on (digest {digest[:12]}…), so what "
        "is new since cannot be told. Give the folder of its training run, or its manifest: --trained-on RUN.",
    )


def _manifests(folder: Path, runs: Iterable[Path]) -> Iterator[list[Row]]:
    """Every manifest that is kept or can be made again, the likeliest first."""
    for run in runs:
        path = run / MANIFEST if is_folder(run) else run
        if path.is_file():
            yield manifest.read_file(path)
    present = manifest.require(folder)
    yield present
    kept = list(manifest.earlier(folder))
    yield from kept
    decisions = log.read(folder)
    after = {decision.manifest: decision.number for decision in decisions}
    for rows in [present, *kept]:
        number = after.get(manifest.digest(rows), 0)
        for earlier in range(number, 0, -1):
            yield log.manifest_before(rows, decisions[:number], earlier)


def _unit(row: Row) -> str:
    """What is held out or learned from as one, as digits that decide it: a group, or one picture's bytes."""
    return row.sha256 if row.group is None else hashlib.sha256(row.group.encode()).hexdigest()
