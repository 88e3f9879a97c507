"""A folder of labelled photos: which files are photos, which label and split each is in, and a digest of it all.

Two layouts are read. One folder per label: a seeded, stratified split is made, 80 % train, 10 % validation, 10 %
test. Or ``train/``, ``validation/`` and ``test/`` with one folder per label in each: given splits are kept, and a
missing one is made from ``train/`` in the same way. Names may be in any script; hidden files are ignored.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from training.progress import bar
from training.rules import standard
from training.run import Run, Splits, load_splits
from twinlens.decode import Limits, decode
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"
SPLITS: Final = (TRAIN, VALIDATION, TEST)
LIMITS: Final = Limits()

_FOLDERS: Final = {"train": TRAIN, "validation": VALIDATION, "val": VALIDATION, "valid": VALIDATION, "test": TEST}
_HELD_OUT: Final = 0.1


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
    """``train``, ``validation`` and ``test``, each sorted by path."""
    digest: str
    """See :class:`twinlens.contract.DataSet`."""
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    """Files that are not used, and why."""
    notes: list[str] = field(default_factory=list)
    """What someone should know about the data before they trust a figure."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of photos by split."""
        return {split: len(samples) for split, samples in self.splits.items()}

    def describe(self) -> list[str]:
        """Lines that tell a person what was found and what was left out."""
        counts = ", ".join(f"{count} {split}" for split, count in self.counts.items())
        return [
            f"{self.path}: {len(self.labels)} labels, {counts}; digest {self.digest[:12]}",
            *(f"left out: {path.relative_to(self.path)}: {reason}" for path, reason in self.left_out),
            *(f"note: {note}" for note in self.notes),
        ]

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


def open_dataset(path: Path, seed: int = 0) -> DataSet:
    """Find the photos of a folder; every file is decoded once to know that it is one.

    :param path: the folder.
    :param seed: decides which photos go to the splits that have to be made; the same photos and seed give the same
        splits, whatever the files are called.
    :raises TwinlensError: ``invalid_data`` if there is no such folder, or nothing can be learned from it.
    """
    if not path.is_dir():
        raise TwinlensError("invalid_data", f"There is no folder {path}. Give a folder with one folder per label.")
    given = _given_splits(path)
    left_out: list[tuple[Path, str]] = []
    candidates: list[tuple[Path, str | None, str]] = []
    for folder, split in sorted(given.items()) if given else [(path, None)]:
        for entry in _visible(folder):
            if not entry.is_dir():
                left_out.append((entry, "it lies in no label's folder"))
                continue
            label = unicodedata.normalize("NFC", entry.name)
            _check_name(entry)
            candidates += [(file, split, label) for file in _files(entry)]
    if given:
        left_out += [
            (entry, "it is in none of train/, validation/, test/") for entry in _visible(path) if entry not in given
        ]
    files = _read(path, candidates, left_out)
    labels = _labels(path, given, files)
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
    path = path or Path(record.data)
    files = [
        (path / name, split, label)
        for split, labels in load_splits(run).items()
        for label, names in labels.items()
        for name in names
    ]
    try:
        with ThreadPoolExecutor(available_threads()) as pool:
            digests = list(pool.map(lambda file: hashlib.sha256(file[0].read_bytes()).hexdigest(), files))
    except OSError as error:
        raise TwinlensError(
            "invalid_data",
            f"{error.filename} cannot be read ({error.strerror}). It is one of the run's photos: give the folder that "
            "holds them as --data.",
        ) from None
    found = [_File(*file, digest) for file, digest in zip(files, digests, strict=True)]
    data = _assemble(path, record.labels, found, [])
    if data.digest != record.data_digest:
        raise TwinlensError(
            "invalid_data",
            f"The photos in {path} are not those that the run was trained on (digest {data.digest[:12]}…, not "
            f"{record.data_digest[:12]}…): some have changed since.",
        )
    return data


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _files(folder: Path) -> Iterator[Path]:
    for entry in _visible(folder):
        if entry.is_dir():
            yield from _files(entry)
        else:
            yield entry


def _given_splits(path: Path) -> dict[Path, str]:
    """The folders that are splits. A folder called ``train`` that holds photos is a label (of trains)."""
    found = {
        entry: _FOLDERS[entry.name.lower()]
        for entry in _visible(path)
        if entry.name.lower() in _FOLDERS and entry.is_dir() and any(child.is_dir() for child in _visible(entry))
    }
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


def _check_name(folder: Path) -> None:
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        raise TwinlensError(
            "invalid_data", f"The name of the folder {folder!r} is not UTF-8, so it cannot be a label: rename it."
        ) from None


def _read(path: Path, candidates: list[tuple[Path, str | None, str]], left_out: list[tuple[Path, str]]) -> list[_File]:
    """Digest and decode every file, in threads; what is no photo goes to ``left_out``."""
    rules = standard()

    def check(file: Path) -> tuple[str, str]:
        try:
            file.relative_to(path).as_posix().encode()
            data = file.read_bytes()
            decode(data, rules, LIMITS)
        except TwinlensError as error:
            return "", error.detail
        except UnicodeEncodeError:
            return "", "its name is not UTF-8"
        except OSError as error:
            return "", f"it cannot be read ({error.strerror})"
        return hashlib.sha256(data).hexdigest(), ""

    files = []
    with ThreadPoolExecutor(available_threads()) as pool, bar(len(candidates), "Reading photos") as progress:
        for candidate, (digest, reason) in zip(
            candidates, pool.map(check, [file for file, _, _ in candidates]), strict=True
        ):
            progress.update()
            if reason:
                left_out.append((candidate[0], reason))
            else:
                files.append(_File(*candidate, digest))
    return files


def _labels(path: Path, given: dict[Path, str], files: list[_File]) -> list[str]:
    """The labels that can be learned, after checking that all the others are absent."""
    learned = {file.label for file in files if file.split in (None, TRAIN)}
    train = next((folder for folder, split in given.items() if split == TRAIN), path)
    for folder in _visible(train):
        if folder.is_dir() and unicodedata.normalize("NFC", folder.name) not in learned:
            raise TwinlensError(
                "invalid_data", f"The label folder {folder} holds no photo that can be read: add photos or remove it."
            )
    for folder, split in given.items():
        if not any(file.split == split for file in files):
            raise TwinlensError("invalid_data", f"{folder} holds no photo that can be read: add photos or remove it.")
    for file in files:
        if file.label not in learned:
            raise TwinlensError(
                "invalid_data",
                f"The label {file.label!r} is in {file.split} but not in train, so it cannot be learned: add photos "
                f"of it to {train}, or remove {file.path.parent}.",
            )
    if len(learned) < 2:
        raise TwinlensError(
            "invalid_data",
            f"{train} has {len(learned)} label{'s' * (len(learned) != 1)} ({', '.join(sorted(learned)) or 'none'}); "
            "there must be at least 2 folders of photos, one per label.",
        )
    return sorted(learned)


def _complete(files: list[_File], given: set[str], seed: int) -> list[_File]:
    """Make the splits that are missing from the photos of ``train``, or from all where none was given.

    Of each label, a tenth goes to each missing split, at least one photo. The photos' digests decide the order, so
    the split depends on no file's name.
    """
    missing = [split for split in (VALIDATION, TEST) if split not in given]
    by_label = defaultdict(list)
    for file in files:
        if file.split in (None, TRAIN):
            by_label[file.label].append(file)
    done = [file for file in files if file.split in (VALIDATION, TEST)]
    for label, members in by_label.items():
        if len(members) < len(missing) + 1:
            raise TwinlensError(
                "invalid_data",
                f"The label {label!r} has {len(members)} photo{'s' * (len(members) != 1)}; to split it into train, "
                f"{' and '.join(missing)} it needs at least {len(missing) + 1}: add some or remove the label.",
            )
        members.sort(key=lambda file: (hashlib.sha256(f"{seed}/{file.sha256}".encode()).digest(), file.path))
        take = max(1, round(_HELD_OUT * len(members)))
        for index, file in enumerate(members):
            split = missing[index // take] if index < take * len(missing) else TRAIN
            done.append(_File(file.path, split, file.label, file.sha256))
    return done


def _assemble(path: Path, labels: list[str], files: list[_File], left_out: list[tuple[Path, str]]) -> DataSet:
    index = {label: position for position, label in enumerate(labels)}
    files = sorted(files, key=lambda file: file.path)
    splits = {
        split: [Sample(file.path, index[file.label]) for file in files if file.split == split] for split in SPLITS
    }
    lines = sorted(f"{file.split}/{file.label}/{file.sha256}" for file in files)
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    return DataSet(path, labels, splits, digest, left_out, _notes(labels, files))


def _notes(labels: list[str], files: list[_File]) -> list[str]:
    notes = []
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
