"""A folder of labelled photos: which files are photos, which label and split each is in, and a digest of it all.

A folder with a ``manifest.jsonl`` (:mod:`twinlens.dataset.manifest`) is what that says; photos that it holds out are
learned from by nobody. Else two layouts are read. One folder per label: a seeded, stratified split is made, 80 % train,
10 % validation, 10 % test. Or ``train/``, ``validation/`` and ``test/`` with one folder per label in each: given splits
are kept, and a missing one is made from ``train/`` in the same way. Names may be in any script; hidden files are
ignored, folders within a label's folder belong to the label, and copies of one photo, like a manifest's groups, stay in
one split.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from training.dataset.learnable import learned_labels
from training.files import LeftOut, Read, below, contents, quiet
from training.progress import bar
from training.run import Run, Splits, load_splits
from twinlens.dataset import manifest
from twinlens.dataset.manifest import HELD_OUT, MANIFEST, Row
from twinlens.errors import TwinlensError
from twinlens.folders import is_folder, readable, split_folders, visible
from twinlens.inference import available_threads

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"
SPLITS: Final = (TRAIN, VALIDATION, TEST)

_SHARE: Final = 0.1
# Photos left out for one reason that are shown by name.
_SHOWN: Final = 3
# Below this many photos the 95 % interval of an accuracy is more than 0.3 wide.
_FEW: Final = 30


@dataclass(frozen=True)
class Sample:
    """One photo, with the index of its label."""

    path: Path
    label: int


@dataclass(frozen=True)
class DataSet:
    """The photos that were found."""

    path: Path
    labels: list[str]
    """Sorted by code point; the order of the logits."""
    splits: dict[str, list[Sample]]
    """``train``, ``validation`` and ``test``, and ``held-out`` where a manifest holds photos out; sorted by path."""
    digest: str
    """See :class:`twinlens.contract.DataSet`."""
    left_out: LeftOut = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What someone should know about the data before they trust a figure."""
    rows: list[Row] | None = None
    """Of the manifest, with the splits that are used; ``None`` where there is none."""
    digest_of_folder: str = ""
    """The digest that the same photos, labels and splits have without a manifest."""

    def is_of(self, digest: str) -> bool:
        """Whether these are the photos that a run or a model names, also if they have been given a manifest since."""
        return digest in (self.digest, self.digest_of_folder)

    @property
    def counts(self) -> dict[str, int]:
        """Number of photos by split."""
        return {split: len(samples) for split, samples in self.splits.items()}

    def describe(self) -> list[str]:
        """Lines that tell a person what was found and what was left out."""
        counts = ", ".join(f"{count} {split}" for split, count in self.counts.items())
        reasons = defaultdict(list)
        for name, reason in self.names_left_out():
            reasons[reason].append(name)
        lines = [f"{readable(self.path)}: {len(self.labels)} labels, {counts}; digest {self.digest[:12]}"]
        for reason, names in reasons.items():
            lines += [f"left out: {name}: {reason}" for name in names[:_SHOWN]]
            if len(names) > _SHOWN:
                lines.append(f"left out: {len(names) - _SHOWN} more: {reason}")
        return lines + [f"note: {note}" for note in self.notes]

    def names_left_out(self) -> list[tuple[str, str]]:
        """What is not used and why, as it is recorded: paths relative to the folder."""
        return [(readable(path.relative_to(self.path)), reason) for path, reason in self.left_out]

    def paths(self) -> Splits:
        """Which photo is where, as it is recorded: paths relative to the folder, by split and label."""
        paths: Splits = {split: {label: [] for label in self.labels} for split in self.splits}
        for split, samples in self.splits.items():
            for sample in samples:
                paths[split][self.labels[sample.label]].append(sample.path.relative_to(self.path).as_posix())
        return paths


@dataclass(frozen=True)
class _File:
    path: Path
    split: str | None
    label: str
    sha256: str


def open_dataset(path: Path, seed: int = 0, read: Read | None = None) -> DataSet:
    """Find the photos of a folder; every file is read and decoded once to know that it is one.

    :param path: the folder.
    :param seed: decides which photos go to the splits that have to be made; the same photos and seed give the same
        splits, whatever the files are called.
    :param read: decodes a file, to keep what it shows; see :data:`training.files.Read`.
    :raises TwinlensError: ``invalid_data`` if there is no such folder, or nothing can be learned from it.
    """
    if not is_folder(path):
        raise TwinlensError(
            "invalid_data", f"There is no folder {readable(path)}. Give a folder with one folder per label."
        )
    _check_path(path)
    rows = manifest.read(path)
    if rows is not None:
        return _open_listed(path, rows, seed, read)
    given = _given_splits(path)
    left_out: LeftOut = []
    root = frozenset([path.resolve()])
    candidates: list[tuple[Path, str | None, str]] = []
    for folder, split in sorted(given.items()) if given else [(path, None)]:
        for entry in visible(folder):
            if not is_folder(entry):
                left_out.append((entry, "it lies in no label's folder"))
                continue
            label = _label(entry)
            candidates += [(file, split, label) for file in below(entry, left_out, root)]
    if given:
        left_out += [
            (entry, "it is in none of train/, validation/, test/") for entry in visible(path) if entry not in given
        ]
    files = []
    found = contents([file for file, _, _ in candidates], read)
    for candidate, content in zip(candidates, found, strict=True):
        if content.reason:
            left_out.append((candidate[0], content.reason))
        else:
            files.append(_File(*candidate, content.sha256))
    labels = _labels(path, given, files, left_out)
    if not given or len(set(given.values())) < len(SPLITS):
        files = _complete(files, set(given.values()), seed)
    return _assemble(path, labels, files, sorted(left_out))


def reopen(run: Path, record: Run, path: Path | None = None) -> DataSet:
    """The photos of a run in the very splits that it was trained with.

    :param run: the run's folder.
    :param record: what was read from it.
    :param path: where the photos are now, if not where they were.
    :raises TwinlensError: ``invalid_data`` if a photo is missing, or the photos are not those of the run.
    """
    quiet()
    path = path or Path(record.data)
    files = [
        (path / name, split, label)
        for split, labels in load_splits(run).items()
        for label, names in labels.items()
        for name in names
    ]
    digests = []
    try:
        with ThreadPoolExecutor(available_threads()) as pool, bar(len(files), "Finding photos") as progress:
            for digest in pool.map(lambda file: hashlib.sha256(file[0].read_bytes()).hexdigest(), files):
                digests.append(digest)
                progress.update()
    except OSError as error:
        raise TwinlensError(
            "invalid_data",
            f"{error.filename} cannot be read ({error.strerror}). It is one of the run's photos: give the folder that "
            "holds them as --data.",
        ) from None
    found = [_File(*file, digest) for file, digest in zip(files, digests, strict=True)]
    data = _assemble(path, record.labels, found, [], manifest.read(run))
    if data.digest != record.data_digest:
        raise TwinlensError(
            "invalid_data",
            f"The photos in {path} are not those that the run was trained on (digest {data.digest[:12]}…, not "
            f"{record.data_digest[:12]}…): some have changed since.",
        )
    return data


def _open_listed(path: Path, rows: Sequence[Row], seed: int, read: Read | None) -> DataSet:
    """The photos that a manifest lists, each checked to be what it says."""
    files, wrong = [], []
    found = contents([path / row.path for row in rows], read)
    for row, content in zip(rows, found, strict=True):
        reason = content.reason
        if not reason and content.sha256 != row.sha256:
            reason = "its bytes are not those that the manifest lists"
        if reason:
            wrong.append(f"{row.path}: {reason}")
        files.append(_File(path / row.path, row.split, row.label, row.sha256))
    if wrong:
        raise TwinlensError(
            "invalid_data",
            f"{len(wrong)} of the {len(rows)} photos that {readable(path / MANIFEST)} lists cannot be used "
            f"({wrong[0].rstrip('.')}). `python -m training data verify {readable(path)}` sets them aside.",
        )
    given = {row.split for row in rows if row.split in SPLITS}
    labels = learned_labels(path, rows)
    left_out: LeftOut = []
    listed = {path / row.path for row in rows} | {path / MANIFEST}
    left_out += [(file, f"{MANIFEST} does not list it") for file in below(path, left_out) if file not in listed]
    if len(given) < len(SPLITS) and any(row.group is not None for row in rows):
        from training.dataset.split import completed  # it loads what compares pictures, which takes a second

        rows = completed(rows, seed)
        learned_labels(path, rows)
        files = [replace(file, split=row.split) for file, row in zip(files, rows, strict=True)]
    elif len(given) < len(SPLITS):
        files = _complete(files, {str(split) for split in given}, seed)
    return _assemble(path, labels, files, sorted(left_out), rows)


def _given_splits(path: Path) -> dict[Path, str]:
    """The folders that are splits, of which there is one each, and one to learn from."""
    found = split_folders(path)
    for split in SPLITS:
        folders = [str(folder.name) for folder, of in found.items() if of == split]
        if len(folders) > 1:
            raise TwinlensError("invalid_data", f"{path} has {' and '.join(folders)}, both for {split}: keep one.")
    if found and TRAIN not in found.values():
        raise TwinlensError(
            "invalid_data",
            f"{path} has {', '.join(folder.name for folder in found)} but no train/ with one folder per label. Add it.",
        )
    return found


def _check_path(path: Path) -> None:
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError:
        raise TwinlensError(
            "invalid_data", f"The path {readable(path)} is not UTF-8, so it cannot be recorded: rename it."
        ) from None


def _label(folder: Path) -> str:
    """The label of a folder: its name, composed, since some systems write é as two characters."""
    name = unicodedata.normalize("NFC", folder.name)
    wrong = {unicodedata.category(character) for character in name} & {"Cc", "Cs"}
    if wrong:
        what = "has a control character in it" if "Cc" in wrong else "is not UTF-8"
        raise TwinlensError(
            "invalid_data", f"The name of the folder {str(folder)!r} {what}, so it cannot be a label: rename it."
        )
    return name


def _labels(path: Path, given: dict[Path, str], files: list[_File], left_out: LeftOut) -> list[str]:
    """The labels that can be learned, after checking that all the others are absent."""

    def holds_none(folder: Path) -> TwinlensError:
        reason = next(
            (
                f" ({readable(file.relative_to(folder))}: {why.rstrip('.')})"
                for file, why in left_out
                if folder in file.parents
            ),
            "",
        )
        return TwinlensError(
            "invalid_data", f"{folder} holds no photo that can be read{reason}: add photos or remove it."
        )

    learned = {file.label for file in files if file.split in (None, TRAIN)}
    train = next((folder for folder, split in given.items() if split == TRAIN), path)
    folders = [folder for folder in visible(train) if is_folder(folder)]
    for folder in folders:
        if _label(folder) not in learned:
            raise holds_none(folder)
    for folder, split in given.items():
        if not any(file.split == split for file in files):
            raise holds_none(folder)
    for file in files:
        if file.label not in learned:
            raise TwinlensError(
                "invalid_data",
                f"The label {file.label!r} is in {file.split} but not in train, so it cannot be learned: add photos "
                f"of it to {train}, or remove {file.path.parent}.",
            )
    if len(learned) < 2:
        hint = ""
        if folders and sum(is_folder(entry) for entry in visible(folders[0])) > 1:
            hint = f" If the labels are the folders in {folders[0]}, give that."
        elif loose := sum(file.parent == train for file, _ in left_out):
            hint = (
                f" The {loose} file{'s' * (loose != 1)} that lie{'s' * (loose == 1)} in none must be sorted into them."
            )
        raise TwinlensError(
            "invalid_data",
            f"{train} has {len(learned)} label{'s' * (len(learned) != 1)} ({', '.join(sorted(learned)) or 'none'}); "
            f"there must be at least 2 folders of photos, one per label.{hint}",
        )
    return sorted(learned)


def _complete(files: list[_File], given: set[str], seed: int) -> list[_File]:
    """Make the splits that are missing from the photos of ``train``, or from all where none was given.

    Of each label, a tenth goes to each missing split, at least one photo. The photos' digests decide the order, so
    the split depends on no file's name. Files of the same bytes go together, or the network would be measured on
    what it has learned; they come last, which is to ``train`` where there are others.
    """
    missing = [split for split in (VALIDATION, TEST) if split not in given]
    by_label: dict[str, dict[str, list[_File]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        if file.split in (None, TRAIN):
            by_label[file.label][file.sha256].append(file)
    done = [file for file in files if file.split not in (None, TRAIN)]
    for label, copies in by_label.items():
        count, different = sum(map(len, copies.values())), len(copies)
        if different < len(missing) + 1:
            copied = f" ({different} without copies)" if different < count else ""
            raise TwinlensError(
                "invalid_data",
                f"The label {label!r} has {count} photo{'s' * (count != 1)}{copied}; to split it into train, "
                f"{' and '.join(missing)} it needs at least {len(missing) + 1}: add some or remove the label.",
            )
        take = max(1, round(_SHARE * count))
        order = sorted(copies, key=lambda sha256: (len(copies[sha256]) > 1, _drawn(seed, sha256)))
        for position, split in enumerate(missing):
            taken, needed_later = 0, len(missing) - position
            while taken < take and len(order) > needed_later:
                members = copies[order.pop(0)]
                taken += len(members)
                done += [_File(file.path, split, label, file.sha256) for file in members]
        done += [_File(file.path, TRAIN, label, file.sha256) for sha256 in order for file in copies[sha256]]
    return done


def _drawn(seed: int, sha256: str) -> bytes:
    return hashlib.sha256(f"{seed}/{sha256}".encode()).digest()


def _assemble(
    path: Path, labels: list[str], files: list[_File], left_out: LeftOut, rows: Sequence[Row] | None = None
) -> DataSet:
    index = {label: position for position, label in enumerate(labels)}
    files = sorted(files, key=lambda file: file.path)
    held_out = [HELD_OUT] if any(file.split == HELD_OUT for file in files) else []
    splits = {
        split: [Sample(file.path, index[file.label]) for file in files if file.split == split]
        for split in [*SPLITS, *held_out]
    }
    plain = manifest.plain_digest((str(file.split), file.label, file.sha256) for file in files)
    used = None if rows is None else _used(path, files, {row.path: row for row in rows})
    digest = plain if used is None else manifest.digest(used)
    return DataSet(path, labels, splits, digest, left_out, _notes(labels, files), used, plain)


def _used(path: Path, files: Sequence[_File], rows: Mapping[str, Row]) -> list[Row]:
    """The manifest as it holds for these files."""
    found = []
    for file in files:
        update = {"split": file.split, "label": file.label, "sha256": file.sha256}
        found.append(rows[file.path.relative_to(path).as_posix()].model_copy(update=update))
    return found


def _notes(labels: list[str], files: list[_File]) -> list[str]:
    notes = []
    for split in (VALIDATION, TEST):
        count = sum(file.split == split for file in files)
        if 0 < count < _FEW:
            notes.append(f"{split} has only {count} photos: what is measured on so few says little.")
    for split in SPLITS:
        absent = sorted(set(labels) - {file.label for file in files if file.split == split})
        if absent:
            notes.append(f"{split} has no photo of {', '.join(absent)}: nothing is measured there for it.")
    places = defaultdict(set)
    for file in files:
        places[file.sha256].add((file.split, file.label))
    shared = sum(len({split for split, _ in where}) > 1 for where in places.values())
    if shared:
        notes.append(
            f"{shared} photo{'s are' if shared > 1 else ' is'} in more than one split (the same bytes), so "
            "figures will be too good."
        )
    torn = sum(len({label for _, label in where}) > 1 for where in places.values())
    if torn:
        notes.append(f"{torn} photo{'s have' if torn > 1 else ' has'} more than one label (the same bytes).")
    return notes
