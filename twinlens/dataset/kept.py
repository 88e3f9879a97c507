"""What takes long to compute of a photo, kept beside the data set by the photo's SHA-256, so it is computed once."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.store import write_atomically

KEPT: Final = ".computed"

Compute = Callable[[Sequence[Row]], NDArray[Any]]
"""Takes photos, gives one row of an array for each; one with NaN in it is a failure."""


def kept(folder: Path, name: str, rows: Sequence[Row], compute: Compute, block: int = 4096) -> NDArray[Any]:
    """An array with a row for each photo, those that are not kept yet computed and kept, but for failures.

    :param folder: of the data set.
    :param name: says what is computed and how; another way has another name.
    :param compute: of photos whose bytes are those that the manifest lists: see :func:`read_listed`.
    :param block: how many are computed before they are written, so that a stop loses no more.
    :return: array of shape (photos, …), in their order; (0, 0) of no photo.
    """
    if not rows:
        return np.zeros((0, 0))
    path = folder / KEPT / f"{name}.npz"
    known = _load(path)
    failed: dict[str, NDArray[Any]] = {}
    first = {row.sha256: row for row in reversed(rows)}
    missing = [row for sha256, row in first.items() if sha256 not in known]
    for start in range(0, len(missing), block):
        part = missing[start : start + block]
        for row, value in zip(part, compute(part), strict=True):
            (failed if _failed(value) else known)[row.sha256] = value
        if known:
            _save(path, known)
    return np.stack([known[row.sha256] if row.sha256 in known else failed[row.sha256] for row in rows])


def read_listed(folder: Path, row: Row) -> bytes:
    """The bytes of a photo, if they are those that the manifest lists: what is computed of them is kept as theirs.

    :param folder: of the data set.
    :raises TwinlensError: ``invalid_data`` if they are others.
    :raises OSError: if they cannot be read.
    """
    data = (folder / row.path).read_bytes()
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise TwinlensError("invalid_data", "its bytes are not those that the manifest lists")
    return data


def _failed(value: NDArray[Any]) -> bool:
    return bool(np.isnan(value).any())


def _load(path: Path) -> dict[str, NDArray[Any]]:
    """What is kept; nothing where the file is absent or damaged, since it can be computed again."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = zip(arrays["sha256"].tolist(), arrays["values"], strict=True)
            return {sha256: value for sha256, value in found if not _failed(value)}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return {}


def _save(path: Path, known: dict[str, NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, sha256=np.array(list(known)), values=np.stack(list(known.values())))
    write_atomically(path, buffer.getvalue())
