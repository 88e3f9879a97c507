"""What a retraining learns from, and which reviewed photos it does not: one in five of those that are new.

A photo is held out by the digits of its own SHA-256, so the choice depends on no seed, no order and no moment, and it
is written into the manifest as a split of its own. From then on it is held out for good: no training of any kind takes
it, since none takes that split. Only photos that no published version has learned from are held out, under whatever
label it did: it has seen the others, and a comparison by them would be unfair to one side or the other, also after
going back.

Test and validation lose nothing. A photo that is in no split yet is learned from, or held out, unless it shows what is
in test or validation already (the same group, or nearly the same picture): then it goes there, as ``data split`` has
it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from training.dataset.split import divide, together
from training.dataset.twins import Pair
from twinlens.dataset import manifest, quarantine
from twinlens.dataset.manifest import HELD_OUT, MANIFEST, Row, Split
from twinlens.errors import TwinlensError
from twinlens.folders import is_folder, readable
from twinlens.review import log
from twinlens.review.decide import REASON

EVERY: Final = 5
"""One in so many new reviewed photos is held out."""
_TRAIN: Final = "train"
_VALIDATION: Final = "validation"
_TEST: Final = "test"


def hold_out(
    rows: Sequence[Row], base: Iterable[Row], pairs: Sequence[Pair], learned_before: Collection[str] = ()
) -> list[Row]:
    """Give the photos that are new their split: to learn from, or held out.

    :param rows: of the manifest of now.
    :param base: of the manifest that the model in use was trained on.
    :param pairs: photos that show the same picture, by their indices: see :func:`training.dataset.twins.twins`.
    :param learned_before: SHA-256 of the photos that other published versions have learned from: :func:`learned`.
    :return: the rows in their order; what was in a split is in it still, but that new reviewed photos of ``train`` may
        be held out.
    """
    known = {row.sha256 for row in base} | set(learned_before)
    rows = divide(rows, pairs, seed=0, parts={}, anew=False)
    units = {min(_unit(rows[index]) for index in group): group for group in together(rows, pairs)}
    learned = Counter(row.label for row in rows if row.split == _TRAIN)
    held: set[str] = set()
    for unit in sorted(units):
        members = [rows[index] for index in units[unit]]
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


def set_aside(folder: Path) -> set[str]:
    """SHA-256 of the photos that reviewers have set aside.

    :param folder: of the data set.
    :raises TwinlensError: ``invalid_data`` if the log of what was set aside is damaged.
    """
    entries = quarantine.entries(folder)
    return {entry["row"]["sha256"] for entry in entries if entry["reason"] == REASON and entry["row"]}


def new_reviews(rows: Sequence[Row], aside: Collection[str], *earlier: Sequence[Row]) -> int:
    """How many photos were reviewed that are as they are now in none of some earlier manifests.

    :param rows: of the manifest of now.
    :param aside: SHA-256 of the photos that reviewers have set aside: they are in no row any more, and count where all
        of the earlier manifests have them.
    """
    before = {(row.sha256, row.label, row.reviewed) for each in earlier for row in each}
    changed = sum(row.reviewed is not None and (row.sha256, row.label, row.reviewed) not in before for row in rows)
    gone = set(aside) - {row.sha256 for row in rows}
    for each in earlier:
        gone &= {row.sha256 for row in each}
    return changed + len(gone)


def unchanged(rows: Iterable[Row], base: Iterable[Row], split: Split) -> tuple[list[Row], int]:
    """The photos of a split that are in it still, with the label that they had, each of the same bytes once.

    :param rows: of the manifest of now.
    :param base: of the manifest that a model was trained on.
    :return: those rows, and how many photos there were then.
    """
    then = {(row.sha256, row.label) for row in base if row.split == split}
    now = {(row.sha256, row.label): row for row in rows if row.split == split}
    return [row for key, row in now.items() if key in then], len(then)


def judge_of_then(rows: Iterable[Row], base: Iterable[Row]) -> list[Row]:
    """The test photos of an earlier manifest that are in test still, with the labels that they had *then*.

    Whatever was relabelled since, these are the judge that there was.
    """
    there = {row.sha256: row for row in rows if row.split == _TEST}
    then = {row.sha256: row.label for row in base if row.split == _TEST}
    return [there[sha256].model_copy(update={"label": label}) for sha256, label in then.items() if sha256 in there]


def to_judge_by(rows: Iterable[Row], learned_before: Collection[str]) -> list[Row]:
    """The reviewed photos held out, but for those that a published version has learned from all the same."""
    return [
        row for row in rows if row.split == HELD_OUT and row.reviewed is not None and row.sha256 not in learned_before
    ]


def learned(folder: Path, digests: Collection[str], runs: Iterable[Path]) -> set[str]:
    """SHA-256 of the photos that versions have learned from, as far as the manifests that they learned from are kept.

    :param folder: of the data set.
    :param digests: of data, of all those versions.
    :param runs: folders of training runs, or manifests, to look at beside those that the data set keeps.
    """
    return {
        row.sha256
        for rows in [*_given(runs), *_kept(folder)]
        if _is_of(rows, digests)
        for row in rows
        if row.split in (_TRAIN, _VALIDATION)
    }


def trained_on(folder: Path, version: str, digest: str, runs: Iterable[Path] = ()) -> list[Row]:
    """The manifest that a model was trained on, found by the digest of data in its contract.

    :param folder: of the data set.
    :param version: of the model, for the message.
    :param digest: with a manifest or without one; see :class:`twinlens.contract.DataSet`.
    :param runs: folders of training runs, or manifests, to look at first.
    :raises TwinlensError: ``invalid_data`` if it is nowhere to be found.
    """
    for rows in _manifests(folder, runs):
        if _is_of(rows, [digest]):
            return rows
    raise TwinlensError(
        "invalid_data",
        f"{readable(folder)} has no manifest of what {version} was trained on (digest {digest[:12]}…), so what is new "
        "since cannot be told. Give the folder of its training run, or its manifest: --trained-on RUN.",
    )


def _is_of(rows: Sequence[Row], digests: Collection[str]) -> bool:
    plain = manifest.plain_digest((str(row.split), row.label, row.sha256) for row in rows)
    return manifest.digest(rows) in digests or plain in digests


def _given(runs: Iterable[Path]) -> Iterator[list[Row]]:
    for run in runs:
        path = run / MANIFEST if is_folder(run) else run
        if path.is_file():
            yield manifest.read_file(path)


def _kept(folder: Path) -> Iterator[list[Row]]:
    yield manifest.require(folder)
    yield from manifest.earlier(folder)


def _manifests(folder: Path, runs: Iterable[Path]) -> Iterator[list[Row]]:
    """Every manifest that is kept or can be made again, the likeliest first."""
    yield from _given(runs)
    yield from _kept(folder)
    decisions = log.read(folder)
    after = {decision.manifest: decision.number for decision in decisions}
    for rows in _kept(folder):
        number = after.get(manifest.digest(rows), 0)
        for earlier in range(number, 0, -1):
            yield log.manifest_before(rows, decisions[:number], earlier)


def _unit(row: Row) -> str:
    """What is held out or learned from as one, as digits that decide it: a group, or one picture's bytes."""
    return row.sha256 if row.group is None else hashlib.sha256(row.group.encode()).hexdigest()
