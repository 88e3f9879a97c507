"""The photos that an index is made of: what lies in a folder, what they are called, and which label they have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from twinlens.bulk import processes
from twinlens.bulk.work import Done, Job, chunks
from twinlens.classify import find
from twinlens.dataset import manifest
from twinlens.errors import TwinlensError
from twinlens.folders import readable, split_folders
from twinlens.settings import Settings
from twinlens.similar.blocks import BLOCK, Blocks
from twinlens.similar.folder import Photo
from twinlens.store import ModelVersion


@dataclass(frozen=True)
class Embedded:
    """What came of a folder: photos whose embeddings are kept, and files that could not be answered."""

    photos: list[Photo]
    failed: list[Done]
    computed: int
    """Embeddings that were not kept from before."""


def embed(folder: Path, settings: Settings, version: ModelVersion, kept: Blocks, workers: int = 0) -> Embedded:
    """Compute the embedding of every photo in a folder that is not kept yet, and keep it.

    Photos are decoded and answered in several processes. What is computed is kept block by block, also when this is
    stopped.

    :param workers: how many processes; 0: as many as the cores allowed to this one.
    :raises TwinlensError: ``invalid_arguments`` if the folder holds no image; ``invalid_data`` for a manifest that
        cannot be used; what is wrong with the model.
    """
    if not folder.is_dir():
        raise TwinlensError("invalid_arguments", f"There is no folder {readable(folder)}. Give a folder of photos.")
    files = find([folder])
    label_of = labels(folder)
    job = Job(settings, version.path.absolute(), embeddings=True, known=kept.known)
    photos: list[Photo] = []
    failed: list[Done] = []
    waiting: dict[str, NDArray[np.float32]] = {}
    computed = 0

    def keep() -> None:
        if waiting:
            kept.keep(list(waiting), np.stack(list(waiting.values())))
            waiting.clear()

    try:
        with tqdm(total=len(files), desc="Embeddings", unit="photo", file=sys.stderr, mininterval=0.5) as progress:
            for _, found in processes.work(job, chunks(files), workers):
                for done in found:
                    progress.update()
                    if done.error is not None or done.sha256 is None:
                        failed.append(done)
                        continue
                    if done.embedding is not None and done.sha256 not in kept:
                        computed += done.sha256 not in waiting
                        waiting[done.sha256] = done.embedding
                    name = done.file.relative_to(folder).as_posix()
                    photos.append(Photo(id=readable(Path(name)), sha256=done.sha256, label=label_of(name)))
                if len(waiting) >= BLOCK:
                    keep()
    finally:
        keep()
    return Embedded(sorted(photos, key=lambda photo: photo.id), sorted(failed, key=lambda done: done.file), computed)


def labels(folder: Path) -> Callable[[str], str | None]:
    """What gives a photo's label by its path below a folder.

    That is the manifest's, where the folder is a data set; else the name of the folder that it lies in, below the
    split's where there are splits; None where it lies in none.

    :raises TwinlensError: as :func:`twinlens.dataset.manifest.read` does.
    """
    rows = manifest.read(folder)
    if rows is not None:
        known: Mapping[str, str] = {row.path: row.label for row in rows}
        return known.get
    splits = {path.name for path in split_folders(folder)}

    def of(name: str) -> str | None:
        parts = Path(name).parts
        parts = parts[1:] if parts[0] in splits else parts
        return readable(Path(parts[0])) if len(parts) > 1 else None

    return of


def listed(failed: Sequence[Done]) -> str:
    """Files that could not be answered, a line each."""
    return "".join(
        f"{readable(done.file)}: {done.error.code}: {done.error}\n" for done in failed if done.error is not None
    )
