"""The folder of an index: ``index.json`` names the other files by their content, and is replaced last, in one step.

So whoever opens an index sees the one before a change or the one after it, and a change that was cut off has changed
nothing. One command at a time changes a folder. A folder of an index has a mark before anything is written into it, and
nothing is removed that has not a name that only an index gives.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twinlens.contract import Sha256
from twinlens.dataset.manifest import changing
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.similar.blocks import Blocks
from twinlens.similar.options import Kind
from twinlens.store import ModelVersion, write_atomically

FileName: TypeAlias = Literal["photos", "projection", "faiss"]
Found = TypeVar("Found")
DESCRIPTION: Final = "index.json"
_EMBEDDINGS: Final = "embeddings"
_MARK: Final = ".twinlens-index"
"""Says that a folder is for an index, also while it has no description yet."""
_WRITING: Final = ".twinlens-writing-"
_FILE: Final = re.compile(r"(photos|projection|faiss)\.[0-9a-f]{16}\.[a-z]+")
_OF_MODEL: Final = re.compile(r"[0-9a-f]{16}")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Photo(NamedTuple):
    """One photo of an index; its place in the list is its row.

    ``id`` is its path below the folder that it was indexed from, with slashes. ``label`` is that of a data set's
    manifest, else the folder that it lies in; None where there is neither. ``removed`` says that it is no longer found;
    its row is there until the index is made anew.
    """

    id: str
    sha256: str
    label: str | None = None
    removed: bool = False


class Model(_Part):
    """The model whose embeddings are indexed."""

    name: str
    version: str
    digest: Sha256
    """Of its contract."""


class Projected(_Part):
    """What became of the embeddings."""

    kind: Literal["pca", "none"]
    dimensions: Annotated[int, Field(ge=1)]
    explained: float
    """Share of the variance that is left."""
    fitted_on: int
    """Photos that it was fitted on."""
    asked_for: int | None
    """Dimensions that were asked for, of which few photos allow fewer; absent for no projection."""


class Precision(_Part):
    """Share of the five nearest that have the photo's own label, each photo left out in turn."""

    embedding: float
    """By the embedding as it came from the network."""
    projected: float
    loss: float
    """The first less the second."""


class Searched(_Part):
    """How the index is searched."""

    kind: Kind
    effort: int
    """``efSearch`` of ``hnsw``, ``nprobe`` of ``ivfpq``; 0 for ``flat``."""
    recall_at_10: float | None
    """Measured when it was made, on photos held out; absent for ``flat``, which finds all."""
    wanted: float
    asked_for: Kind | None
    """The kind that was asked for; absent where it is chosen by size and recall."""
    instead_of: Kind | None
    """The kind that so many photos would get, where that one's recall was less than wanted."""


class File(_Part):
    """A file of the index."""

    path: str
    sha256: Sha256
    bytes: int


class Description(_Part):
    """``index.json``."""

    format: Literal["twinlens-index/1"] = "twinlens-index/1"
    model: Model
    embedding_size: Annotated[int, Field(ge=1)]
    projection: Projected
    search: Searched
    photos: int
    """That are found."""
    removed: int
    """Rows of photos that are not found any more."""
    labelled: int
    measured_on: Annotated[int, Field(ge=1)]
    """Photos that it had when effort, recall and precision were measured; others have come or gone since."""
    precision_at_5: Precision | None
    """Absent where too few photos have a label."""
    files: dict[FileName, File]


def describe(folder: Path) -> Description:
    """What an index says about itself.

    :raises TwinlensError: ``invalid_index`` if there is none, or it is damaged.
    """
    path = folder / DESCRIPTION
    try:
        return Description.model_validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise TwinlensError(
            "invalid_index",
            f"There is no index at {readable(folder)}: {DESCRIPTION} cannot be read ({error.strerror}). Make one with: "
            "twinlens index build PHOTOS --out INDEX",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise TwinlensError(
            "invalid_index", f"{readable(path)}: {where}: {first['msg']}. Build the index again."
        ) from None


def described(folder: Path, read: Callable[[Description], Found]) -> tuple[Description, Found]:
    """What an index says about itself, and what is read of its files, which another command may replace meanwhile.

    :param read: reads files that the description names; called again if they were replaced before it had read them.
    :raises TwinlensError: as :func:`describe` and ``read`` do.
    """
    description = describe(folder)
    while True:
        try:
            return description, read(description)
        except TwinlensError:
            before, description = description, describe(folder)
            if description == before:
                raise


def check_model(folder: Path, description: Description, digest: str) -> None:
    """See that an index is of a model.

    :param digest: of the model's contract.
    :raises TwinlensError: ``index_mismatch`` if it is of another one.
    """
    made = description.model
    if made.digest != digest:
        raise TwinlensError(
            "index_mismatch",
            f"The index at {readable(folder)} was made with model {made.name} {made.version} ({made.digest[:12]}…) "
            f"and not with the one in use ({digest[:12]}…), whose embeddings are others. Build it again with this "
            "model, or use that one.",
        )


def locate(folder: Path, file: File) -> Path:
    """Where a file of an index lies, its bytes checked.

    :raises TwinlensError: ``invalid_index`` if they are not those of the index.
    """
    path = folder / file.path
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise TwinlensError(
            "invalid_index", f"{readable(path)} cannot be read ({error.strerror}). Build the index again."
        ) from None
    if found != file.sha256:
        raise TwinlensError(
            "invalid_index", f"{readable(path)} was changed or cut off. Build the index again, or copy it again."
        )
    return path


def read_photos(folder: Path, file: File) -> list[Photo]:
    """The photos of an index, in the order of its rows.

    :raises TwinlensError: ``invalid_index`` if they are not those of the index.
    """
    path = locate(folder, file)
    try:
        return [Photo(**json.loads(line)) for line in path.read_bytes().splitlines()]
    except (OSError, ValueError, TypeError):
        raise TwinlensError("invalid_index", f"{file.path} is damaged. Build the index again.") from None


def encode_photos(photos: Sequence[Photo]) -> bytes:
    """Photos as the bytes of the file that lists them."""
    return "".join(
        json.dumps(
            {"id": photo.id, "sha256": photo.sha256}
            | ({"label": photo.label} if photo.label is not None else {})
            | ({"removed": True} if photo.removed else {}),
            ensure_ascii=False,
            separators=(",", ":"),
        )
        + "\n"
        for photo in photos
    ).encode()


def blocks(folder: Path, version: ModelVersion) -> Blocks:
    """The embeddings that are kept of a model."""
    return Blocks(folder / _EMBEDDINGS / version.digest[:16], version.contract.embedding_size)


def put(folder: Path, name: str, suffix: str, write: Callable[[Path], None]) -> File:
    """Write a file that is named by its content, so that it is there even after a crash.

    :param name: begins its name.
    :param write: writes it where it is told to.
    :raises OSError: if it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix=_WRITING, dir=folder) as work:
        made = Path(work) / name
        write(made)
        with made.open("rb") as stream:
            os.fsync(stream.fileno())
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        size = made.stat().st_size
        path = folder / f"{name}.{sha256[:16]}{suffix}"
        made.replace(path)
    _keep_names(folder)
    return File(path=path.name, sha256=sha256, bytes=size)


def publish(folder: Path, description: Description) -> None:
    """Make an index the one that is found, and remove the files of the one before.

    A server that has it open has read all of it.
    """
    body: dict[str, Any] = description.model_dump(mode="json")
    write_atomically(folder / DESCRIPTION, (json.dumps(body, ensure_ascii=False, indent=2) + "\n").encode())
    _keep_names(folder)  # before those that the earlier description names go
    named = {file.path for file in description.files.values()}
    for path in folder.iterdir():
        if _FILE.fullmatch(path.name) and path.name not in named:
            path.unlink()
        elif path.name.startswith(_WRITING):  # of a command that was killed
            shutil.rmtree(path)
    kept = folder / _EMBEDDINGS / description.model.digest[:16]
    for other in kept.parent.glob("*/"):
        if other != kept and _OF_MODEL.fullmatch(other.name):
            shutil.rmtree(other)


def _keep_names(folder: Path) -> None:
    """See that the names in a folder are there after a crash too."""
    if os.name == "nt":  # which opens no folder, and keeps its names by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def changed(folder: Path, *, made: bool = False) -> Iterator[None]:
    """Hold a folder while its index is changed.

    :param made: whether it is to be made, and need not be there.
    :raises TwinlensError: ``already_exists`` if it is to be made and the folder holds something else, ``invalid_index``
        if it is not there and must be; ``data_in_use`` if another command holds it.
    """
    if not made:
        describe(folder)
    elif folder.exists():
        if not folder.is_dir():
            raise TwinlensError("already_exists", f"{readable(folder)} is no folder. Name another one.")
        there = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if there and not _is_index(folder):
            other = readable(Path(there[0]))
            raise TwinlensError(
                "already_exists", f"{readable(folder)} holds something else ({other}). Name a folder of its own."
            )
    with changing(folder):
        if made:
            (folder / _MARK).touch()
        yield


def _is_index(folder: Path) -> bool:
    """Whether a folder is an index's: by its mark, else, as copies leave such names out, by its description."""
    if (folder / _MARK).exists():
        return True
    try:
        describe(folder)
    except TwinlensError:
        return False
    return True
