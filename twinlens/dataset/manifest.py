"""The manifest of a data set: one line of JSON per photo, sorted by path. It is the data set's identity.

JSON Lines rather than CSV: a label or a creator's name in any script, with commas, quotes or line breaks, needs no
dialect; a missing value is not an empty one; a line is a photo, so two versions can be compared with ``diff``.

The digest is over what the photos are, not over what their files are called: see :func:`digest`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal, TypeAlias

from filelock import FileLock, Timeout
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from twinlens.contract import Sha256
from twinlens.errors import TwinlensError
from twinlens.folders import is_folder, readable
from twinlens.store import write_atomically

MANIFEST: Final = "manifest.jsonl"
EARLIER: Final = ".manifests"
"""Folder of the manifests that there were before, each named by the SHA-256 of its bytes."""
HELD_OUT: Final = "held-out"
"""Of reviewed photos that no network ever learns from, to see whether reviewing helps (:mod:`training.retrain`)."""
Split: TypeAlias = Literal["train", "validation", "test", "held-out"]

_LOCK: Final = ".lock"
_VERSION: Final = "twinlens-manifest/1\n"


def check_label(label: str) -> str:
    """A label as it is recorded: composed, since some systems write é as two characters.

    It is the name of a folder too, so nothing that a folder cannot be called is one.

    :raises ValueError: if it cannot be a label.
    """
    label = unicodedata.normalize("NFC", label.strip())
    if not label:
        raise ValueError("the label is empty")
    if {unicodedata.category(character) for character in label} & {"Cc", "Cs"}:
        raise ValueError(f"the label {label!r} has a control character in it or is not Unicode")
    if "/" in label or "\\" in label or label.startswith("."):
        raise ValueError(f"the label {label!r} has a slash in it or begins with a dot, so no folder can be called it")
    if len(label.encode()) > 200:
        raise ValueError(f"the label {label[:20]!r}… is longer than 200 bytes")
    return label


def _check_path(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path != "/".join(parts) or path.startswith("/") or "\\" in path or "\0" in path:
        raise ValueError(f"{path!r} is no path below the data set's folder, with slashes")
    if any(part.startswith(".") for part in parts):
        raise ValueError(f"{path!r} is hidden or leads out of the data set's folder")
    return path


class Row(BaseModel):
    """One photo."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: Annotated[str, AfterValidator(_check_path)]
    """Of the file, below the data set's folder, with slashes."""
    sha256: Sha256
    """Of the file's bytes."""
    label: Annotated[str, AfterValidator(check_label)]
    split: Split | None = None
    """Absent where the photo is in none yet."""
    group: Annotated[str, Field(min_length=1)] | None = None
    """Photos of one group are kept in one split: of one person, one product, one series."""
    origin: str | None = None
    """Where the photo came from: an address, or a place in what was imported."""
    page: str | None = None
    """Address of the page that shows the photo to people."""
    creator: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    reviewed: str | None = None
    """When a person last looked at the photo and said that its label is right, in UTC; no part of the digest."""


def read(folder: Path) -> list[Row] | None:
    """The manifest of a folder; ``None`` where there is none.

    :raises TwinlensError: ``invalid_data`` if it cannot be used; the message names the line.
    """
    try:
        return read_file(folder / MANIFEST)
    except FileNotFoundError:
        return None


def read_file(path: Path) -> list[Row]:
    """A manifest that lies anywhere, as one of :data:`EARLIER` does.

    :raises TwinlensError: as :func:`read` does.
    :raises FileNotFoundError: if it is not there.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TwinlensError("invalid_data", f"{readable(path)} cannot be read ({error.strerror}).") from None
    rows: dict[str, Row] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = Row.model_validate_json(line, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"]) or "the line"
            raise _broken(path, number, f"{where}: {first['msg']}") from None
        if row.path in rows:
            raise _broken(path, number, f"{row.path} is in it twice")
        rows[row.path] = row
    return [rows[path] for path in sorted(rows)]


def require(folder: Path) -> list[Row]:
    """The manifest of a folder that must have one.

    :raises TwinlensError: ``invalid_data`` if there is none, or as :func:`read` does.
    """
    rows = read(folder) if is_folder(folder) else None
    if rows is None:
        raise TwinlensError(
            "invalid_data",
            f"{readable(folder)} has no {MANIFEST}. `python -m training data import DATA` makes one of the photos "
            "that lie in it; `collect` and `import DATA SOURCE` bring photos in.",
        )
    return rows


def write(folder: Path, rows: Iterable[Row], *, keep: bool = True) -> None:
    """Write the manifest in one step.

    :param keep: keep the one before in :data:`EARLIER`; not needed where a log can make it again.
    """
    path = folder / MANIFEST
    data = encode(rows)
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return
        if keep:
            keep_present(folder)
    write_atomically(path, data)


def keep_present(folder: Path) -> None:
    """Keep the manifest of now in :data:`EARLIER`, so that it is found again whatever becomes of the data set.

    :raises FileNotFoundError: if there is none.
    """
    data = (folder / MANIFEST).read_bytes()
    write_atomically(folder / EARLIER / f"{hashlib.sha256(data).hexdigest()}.jsonl", data)


def earlier(folder: Path) -> Iterator[list[Row]]:
    """Every manifest that was kept, the last one first.

    :raises TwinlensError: as :func:`read` does.
    """
    files = sorted((folder / EARLIER).glob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return map(read_file, files)


def encode(rows: Iterable[Row]) -> bytes:
    """Rows as the bytes of a manifest: the same rows give the same bytes."""
    ordered = sorted(rows, key=lambda row: row.path)
    return "".join(f"{_json(row.model_dump(exclude_none=True))}\n" for row in ordered).encode()


def digest(rows: Iterable[Row]) -> str:
    """The identity of a data set, as the contract holds it.

    It is the SHA-256, in hex, of the line ``twinlens-manifest/1`` and of one line for each photo, sorted: the JSON
    array of sha256, label, split, origin and licence, without spaces, in UTF-8. Moving or renaming files does not
    change it; relabelling, adding, removing, splitting and correcting a licence do.
    """
    lines = sorted(f"{_json([row.sha256, row.label, row.split, row.origin, row.licence])}\n" for row in rows)
    return hashlib.sha256("".join([_VERSION, *lines]).encode()).hexdigest()


def sha256_of(file: Path) -> str | None:
    """The SHA-256 of a file's bytes, in hex; ``None`` if it is no regular file or cannot be read."""
    try:
        if not file.is_file():
            return None
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def plain_digest(photos: Iterable[tuple[str, str, str]]) -> str:
    """The digest that photos have where there is no manifest: SHA-256 of a sorted line for each.

    :param photos: split, label and sha256.
    """
    lines = sorted(f"{split}/{label}/{sha256}\n" for split, label, sha256 in photos)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Hold a data set while it is changed, so that two commands never write its manifest at once.

    :param folder: of the data set; made if need be.
    :raises TwinlensError: ``data_in_use`` if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise TwinlensError(
            "data_in_use", f"Another command is changing {readable(folder)}: wait until it is done."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _broken(path: Path, line: int, what: str) -> TwinlensError:
    return TwinlensError(
        "invalid_data",
        f"{readable(path)}, line {line}: {what}. Mend the line, or take an earlier manifest from {EARLIER}/.",
    )
