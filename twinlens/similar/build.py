"""Make an index, add photos to it, remove photos from it.

Adding appends to what is there. Removing marks rows, since no graph can lose one; they are skipped by every search, and
go when they are many. An index is made anew from the embeddings that are kept, without a photo being read, when photos
were removed, or have come, in such numbers that it is not what would be made of them, or was measured, any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinlens.bulk.work import Done
from twinlens.errors import TwinlensError
from twinlens.extras import need
from twinlens.folders import readable
from twinlens.settings import Settings
from twinlens.similar import folder as folders
from twinlens.similar import kinds
from twinlens.similar.blocks import Blocks
from twinlens.similar.folder import (
    Description,
    File,
    FileName,
    Model,
    Photo,
    Precision,
    Projected,
    Searched,
    encode_photos,
)
from twinlens.similar.found import embed
from twinlens.similar.index import read_projection, read_searcher
from twinlens.similar.kinds import Searcher
from twinlens.similar.options import DIMENSIONS, Kind, Options
from twinlens.similar.precision import precision
from twinlens.similar.projection import Projection, fit, unit
from twinlens.store import ModelVersion, open_current, write_atomically

Floats = NDArray[np.float32]

_MOST_REMOVED: Final = 0.2
"""Share of the rows that may be of removed photos: each is still looked at by a search."""
_MOST_GROWN: Final = 4
"""How many times as many photos a projection may stand for as it was fitted on."""
_MOST_UNMEASURED: Final = 2
"""How many times as many photos an index that does not compare all may have as when its recall was measured."""
_FITTED_ON: Final = 100_000
"""Photos that a projection is fitted on at most; more do not change it."""
_JUDGED_ON: Final = 20_000
"""Photos that precision is measured among at most."""


@dataclass(frozen=True)
class Outcome:
    """What a command has done to an index."""

    description: Description
    added: int
    """Photos that are found now and were not before, or had other bytes."""
    removed: int
    """Photos that were found before and are not any more, or have other bytes."""
    computed: int
    """Embeddings that had to be computed."""
    rebuilt: bool
    """Whether the index was made anew."""
    failed: list[Done]


class Measured(NamedTuple):
    """How many photos an index had when it was measured, and what came of it beside its recall."""

    photos: int
    precision: Precision | None


def build(photos: Path, out: Path, settings: Settings, options: Options, workers: int = 0) -> Outcome:
    """Index a folder of photos.

    One that was stopped goes on where it was. An index that is there is made anew of what the folder holds now;
    embeddings that it has are not computed again.

    :param photos: the folder.
    :param out: folder of the index.
    :param workers: processes that decode; 0: as many as the cores allowed to this one.
    :raises TwinlensError: as :func:`.found.embed` does; ``already_exists`` if ``out`` holds something else;
        ``data_in_use``; ``missing_requirement`` without FAISS; ``invalid_data`` if no photo can be indexed.
    """
    need("faiss")
    _check(options)
    version = open_current(settings.model_folder)
    with folders.changed(out, made=True):
        kept = folders.blocks(out, version)
        found = embed(photos, settings, version, kept, workers)
        if not found.photos:
            raise TwinlensError("invalid_data", f"None of the {len(found.failed)} images in {photos} can be read.")
        before = _before(out)
        description = _make(out, version, kept, found.photos, options)
        now = {(photo.id, photo.sha256) for photo in found.photos}
        gained, lost = len(now - before), len(before - now)
        return Outcome(description, gained, lost, found.computed, True, found.failed)


def add(index: Path, photos: Path, settings: Settings, workers: int = 0) -> Outcome:
    """Add a folder of photos to an index; a photo whose path it has already takes the other one's place.

    :raises TwinlensError: as :func:`build` does; ``invalid_index`` or ``index_mismatch``.
    """
    need("faiss")
    version = open_current(settings.model_folder)
    with folders.changed(index):
        description = _checked(index, version)
        kept = folders.blocks(index, version)
        found = embed(photos, settings, version, kept, workers)
        rows = folders.read_photos(index, description.files["photos"])
        there = {photo.id: row for row, photo in enumerate(rows) if not photo.removed}
        new = [photo for photo in found.photos if photo.id not in there or rows[there[photo.id]] != photo]
        for photo in new:
            if photo.id in there:
                rows[there[photo.id]] = rows[there[photo.id]]._replace(removed=True)
        replaced = sum(photo.id in there for photo in new)
        changed = _write(index, version, kept, description, rows, new) if new else (description, False)
        return Outcome(changed[0], len(new), replaced, found.computed, changed[1], found.failed)


def remove(index: Path, ids: Collection[str], settings: Settings) -> Outcome:
    """Remove photos from an index.

    :param ids: their ids; those of a whole folder are given by its name and a slash.
    :raises TwinlensError: ``invalid_arguments`` if one is not in the index, or none would be left; ``invalid_index``,
        ``index_mismatch``, ``data_in_use`` or ``missing_requirement``.
    """
    need("faiss")
    version = open_current(settings.model_folder)
    with folders.changed(index):
        description = _checked(index, version)
        rows = folders.read_photos(index, description.files["photos"])
        there = {photo.id: row for row, photo in enumerate(rows) if not photo.removed}
        chosen: set[int] = set()
        for wanted in ids:
            if wanted.endswith("/"):
                of = {row for name, row in there.items() if name.startswith(wanted)}
            else:
                of = {there[wanted]} if wanted in there else set()
            if not of:
                raise TwinlensError("invalid_arguments", f"The index has no photo {wanted}. Nothing was removed.")
            chosen |= of
        if len(chosen) == len(there):
            raise TwinlensError(
                "invalid_arguments", "That is every photo of the index. Remove the index's folder instead."
            )
        for row in chosen:
            rows[row] = rows[row]._replace(removed=True)
        kept = folders.blocks(index, version)
        after, rebuilt = _write(index, version, kept, description, rows, [])
        return Outcome(after, 0, len(chosen), 0, rebuilt, [])


def gone(index: Path, photos: Path, settings: Settings) -> list[str]:
    """The ids of an index's photos that are no longer in a folder.

    :raises TwinlensError: ``invalid_index`` or ``index_mismatch``; ``invalid_arguments`` if there is no folder.
    """
    if not photos.is_dir():
        raise TwinlensError("invalid_arguments", f"There is no folder {photos}. Give the folder of the photos.")
    version = open_current(settings.model_folder)

    def read(description: Description) -> list[Photo]:
        folders.check_model(index, description, version.digest)
        return folders.read_photos(index, description.files["photos"])

    _, rows = folders.described(index, read)
    missing = [photo.id for photo in rows if not photo.removed and not (photos / photo.id).is_file()]
    if missing:
        # An id is a path as it can be printed: a name that is not UTF-8 is another one on the disk.
        there = {readable(Path(file.relative_to(photos).as_posix())) for file in photos.rglob("*") if file.is_file()}
        missing = [name for name in missing if name not in there]
    return missing


def rebuild(index: Path, settings: Settings, options: Options | None = None) -> Outcome:
    """Make an index anew of the embeddings that it keeps, which also forgets those of removed photos.

    :param options: by default what it was made with.
    :raises TwinlensError: ``invalid_arguments``, ``invalid_index``, ``index_mismatch``, ``data_in_use`` or
        ``missing_requirement``.
    """
    need("faiss")
    if options is not None:
        _check(options)
    version = open_current(settings.model_folder)
    with folders.changed(index):
        description = _checked(index, version)
        rows = folders.read_photos(index, description.files["photos"])
        left = [photo for photo in rows if not photo.removed]
        made = _make(index, version, folders.blocks(index, version), left, options or _options(description))
        return Outcome(made, 0, 0, 0, True, [])


def _check(options: Options) -> None:
    if options.dimensions is not None and not 1 <= options.dimensions <= DIMENSIONS:
        raise TwinlensError("invalid_arguments", f"A projection has 1 to {DIMENSIONS} dimensions.")


def _checked(index: Path, version: ModelVersion) -> Description:
    description = folders.describe(index)
    folders.check_model(index, description, version.digest)
    return description


def _before(out: Path) -> set[tuple[str, str]]:
    """What an index that is to be made anew had in it, if it can be read."""
    try:
        photos = folders.read_photos(out, folders.describe(out).files["photos"])
    except TwinlensError:
        return set()
    return {(photo.id, photo.sha256) for photo in photos if not photo.removed}


def _options(description: Description) -> Options:
    search = description.search
    return Options(description.projection.asked_for, search.asked_for, search.wanted)


def _make(out: Path, version: ModelVersion, kept: Blocks, photos: Sequence[Photo], options: Options) -> Description:
    """Make an index anew and publish it."""
    # A random order: a graph that is made label by label is a worse one, and the last rows are held out to tune it.
    order = np.random.default_rng(0).permutation(len(photos))
    rows = [photos[index] for index in order]
    digests = [photo.sha256 for photo in rows]
    size = version.contract.embedding_size
    projection = Projection.none(size)
    if options.dimensions is not None:
        projection = fit(kept.read(digests[:_FITTED_ON]), size, options.dimensions)
    vectors = _vectors(kept, digests, projection)
    searcher = kinds.build(vectors, options.kind, options.recall)
    some = slice(0, _JUDGED_ON)
    judged = _judge(kept, rows[some], vectors[some])
    projected = Projected(
        kind="none" if projection.axes is None else "pca",
        dimensions=projection.dimensions,
        explained=projection.explained,
        fitted_on=min(len(rows), _FITTED_ON),
        asked_for=options.dimensions,
    )
    measured = Measured(len(rows), judged)
    description = _publish(out, version, rows, projection, projected, searcher, options, measured)
    kept.keep_only(digests)
    return description


def _write(
    index: Path,
    version: ModelVersion,
    kept: Blocks,
    description: Description,
    rows: list[Photo],
    new: Sequence[Photo],
) -> tuple[Description, bool]:
    """Publish an index whose rows were marked and are followed by new ones, or one made anew where that is due.

    :return: also whether it was made anew.
    """
    options = _options(description)
    removed = sum(photo.removed for photo in rows)
    left = len(rows) - removed + len(new)
    due = (description.search.kind, description.search.instead_of)
    if (
        removed > _MOST_REMOVED * (len(rows) + len(new))
        or _outgrown(description, left)
        or (options.kind is None and kinds.wanted_kinds(left)[0] not in due)
    ):
        photos = [photo for photo in [*rows, *new] if not photo.removed]
        return _make(index, version, kept, photos, options), True
    projection, searcher = read_projection(index, description), read_searcher(index, description)
    if new:
        searcher.add(_vectors(kept, [photo.sha256 for photo in new], projection))
    measured = Measured(description.measured_on, description.precision_at_5)
    every = [*rows, *new]
    return _publish(index, version, every, projection, description.projection, searcher, options, measured), False


def _outgrown(description: Description, photos: int) -> bool:
    """Whether so many photos are too many for the projection, or for the effort of the searches."""
    projected = description.projection
    projecting = projected.asked_for is not None and description.embedding_size > projected.asked_for
    # One that was fitted on as many as there may be would not become another one.
    fits = not projecting or projected.fitted_on >= _FITTED_ON or photos <= _MOST_GROWN * projected.fitted_on
    measured = description.search.kind == "flat" or photos <= _MOST_UNMEASURED * description.measured_on
    return not (fits and measured)


def _vectors(kept: Blocks, digests: Sequence[str], projection: Projection) -> Floats:
    """The vectors of photos, float32 (N, dimensions)."""
    vectors = np.empty((len(digests), projection.dimensions), np.float32)
    at = 0
    for part in kept.read(digests):
        vectors[at : at + len(part)] = projection(part)
        at += len(part)
    return vectors


def _judge(kept: Blocks, photos: Sequence[Photo], vectors: Floats) -> Precision | None:
    labels = [photo.label for photo in photos]
    projected = precision(vectors, labels)
    if projected is None:
        return None
    whole = precision(unit(np.concatenate(list(kept.read([photo.sha256 for photo in photos])))), labels)
    assert whole is not None
    return Precision(embedding=whole, projected=projected, loss=whole - projected)


def _publish(
    out: Path,
    version: ModelVersion,
    rows: Sequence[Photo],
    projection: Projection,
    projected: Projected,
    searcher: Searcher,
    options: Options,
    measured: Measured,
) -> Description:
    model = version.contract.model
    removed = sum(photo.removed for photo in rows)
    files: dict[FileName, File] = {
        "photos": folders.put(out, "photos", ".jsonl", lambda path: write_atomically(path, encode_photos(rows))),
        "projection": folders.put(out, "projection", ".npz", lambda path: write_atomically(path, projection.encode())),
        "faiss": folders.put(out, "faiss", ".index", lambda path: _write_index(searcher.index, path)),
    }
    description = Description(
        model=Model(name=model.name, version=model.version, digest=version.digest),
        embedding_size=version.contract.embedding_size,
        projection=projected,
        search=Searched(
            kind=searcher.kind,
            effort=searcher.effort,
            recall_at_10=searcher.recall,
            wanted=options.recall,
            asked_for=options.kind,
            instead_of=_instead_of(searcher, options, len(rows) - removed),
        ),
        photos=len(rows) - removed,
        removed=removed,
        labelled=sum(photo.label is not None and not photo.removed for photo in rows),
        measured_on=measured.photos,
        precision_at_5=measured.precision,
        files=files,
    )
    folders.publish(out, description)
    return description


def _write_index(index: Any, path: Path) -> None:
    """Write FAISS's part.

    :raises TwinlensError: ``cannot_write``.
    """
    faiss = need("faiss")
    # Through Python's file, since FAISS's own does not notice what goes wrong when it is closed.
    with path.open("wb") as stream:
        try:
            faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write))
        except RuntimeError:  # for whatever the file raised
            raise TwinlensError(
                "cannot_write", f"The index could not be written into {readable(path.parent.parent)}: is the disk full?"
            ) from None


def _instead_of(searcher: Searcher, options: Options, photos: int) -> Kind | None:
    due = kinds.wanted_kinds(photos)[0]
    return due if options.kind is None and searcher.kind != due else None
