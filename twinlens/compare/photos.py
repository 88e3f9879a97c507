"""The photos that two models are compared on: a folder of labels, a split of one, or any folder of images."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from twinlens.classify import SUFFIXES
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.folders import is_folder, readable, split_folders, visible


@dataclass(frozen=True)
class Photo:
    """One file, with its right label if the folder that it lies in says so."""

    path: Path
    label: str | None


@dataclass(frozen=True)
class Photos:
    """What was found."""

    root: Path
    split: str | None
    """``None`` where the folder has no splits."""
    photos: list[Photo]
    """In the order of their paths; all of them have a label, or none has."""

    @property
    def labelled(self) -> bool:
        """Whether the right labels are known."""
        return self.photos[0].label is not None

    def name(self, photo: Photo) -> str:
        """A photo's path within the folder, with ``/``; bytes of a name that are not UTF-8 are escaped."""
        return readable(photo.path.relative_to(self.root))


def find_photos(path: Path, split: str | None, known: Collection[str]) -> Photos:
    """Find the photos of a folder.

    :param path: a data set with a manifest, which says labels and splits; a folder of one folder per label; one of
        ``train/``, ``validation/`` and ``test/`` with those in each; or one of images, in any order, whose right labels
        nobody knows.
    :param split: which of its splits, by default validation; ``None`` where it has none.
    :param known: the labels of both models; a folder of that name holds photos of that label.
    :raises TwinlensError: ``invalid_data`` if there is no image, or a label that neither model knows;
        ``invalid_arguments`` if there is no such split.
    """
    if not path.is_dir():
        raise TwinlensError("invalid_data", f"There is no folder {path}. Give a folder of photos.")
    if (rows := manifest.read(path)) is not None:
        return _listed(path, rows, split, known)
    root, split = _split(path, split)
    # One label may have two folders, whose names are composed in one and not in the other.
    folders = [(unicodedata.normalize("NFC", entry.name), entry) for entry in visible(root) if is_folder(entry)]
    labels = {label for label, _ in folders}
    if labels & set(known):
        _require_known(root, labels, known)
        photos = [Photo(file, label) for label, folder in folders for file in _images(folder)]
    else:
        photos = [Photo(file, None) for file in _images(root)]
    if not photos:
        raise TwinlensError("invalid_data", f"No image was found in {root} (looked for {', '.join(SUFFIXES)}).")
    return Photos(root, split, sorted(photos, key=lambda photo: photo.path))


def _listed(path: Path, rows: Sequence[Row], wanted: str | None, known: Collection[str]) -> Photos:
    """The photos that a manifest lists, with the labels that it gives them."""
    found = {row.split for row in rows if row.split is not None}
    split = wanted or ("validation" if found else None)
    if split is not None and split not in found:
        raise TwinlensError(
            "invalid_arguments",
            f"The manifest of {path} has no photos in {split}. "
            + (f"Say which: --split {' or '.join(sorted(found))}." if found else "Leave --split out."),
        )
    chosen = [row for row in rows if row.split == split]
    _require_known(path, {row.label for row in chosen}, known)
    photos = [Photo(path / row.path, row.label) for row in chosen]
    if not photos:
        raise TwinlensError("invalid_data", f"The manifest of {path} lists no photo.")
    return Photos(path, split, sorted(photos, key=lambda photo: photo.path))


def _require_known(root: Path, labels: set[str], known: Collection[str]) -> None:
    if unknown := sorted(labels - set(known)):
        raise TwinlensError(
            "invalid_data", f"{root} has labels that neither model knows: {', '.join(unknown)}. Remove them."
        )


def _split(path: Path, wanted: str | None) -> tuple[Path, str | None]:
    """The folder to look in, and the split that it is."""
    folders = split_folders(path)
    found = {split: folder for folder, split in folders.items()}
    for split in found:
        names = [folder.name for folder, of in folders.items() if of == split]
        if len(names) > 1:
            raise TwinlensError("invalid_data", f"{path} has {' and '.join(names)}, both for {split}: keep one.")
    if not found:
        if wanted is not None:
            raise TwinlensError(
                "invalid_arguments",
                f"{path} has no folders train/, validation/ and test/, so there is no --split {wanted}: leave it out.",
            )
        return path, None
    split = wanted or "validation"
    if split not in found:
        raise TwinlensError(
            "invalid_arguments", f"{path} has no {split}/. Say which photos: --split {' or '.join(sorted(found))}."
        )
    return found[split], split


def _images(folder: Path) -> list[Path]:
    found = []
    for entry in visible(folder):
        if is_folder(entry):
            found += _images(entry)
        elif entry.suffix.lower() in SUFFIXES:
            found.append(entry)
    return found
