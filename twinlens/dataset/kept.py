"""What takes long to compute of a photo, kept beside the data set by the photo's SHA-256, so it is computed once."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.dataset.manifest import Row
from twinlens.store import write_atomically

KEPT: Final = ".computed"

Compute = Callable[[Sequence[Row]], NDArray[Any]]
"""Takes photos, gives one row of an array for each."""


def kept(folder: Path, name: str, rows: Sequence[Row], compute: Compute, block: int = 4096) -> NDArray[Any]:
    """An array with a row for each photo, those that are not kept yet computed and kept.

    :param folder: of the data set.
    :param name: says what is computed and how; another way has another name.
    :param block: how many are computed before they are written, so that a stop loses no more.
    :return: array of shape (photos, …), in their order.
    """
    path = folder / KEPT / f"{name}.npz"
    known = _load(path)
    first = {row.sha256: row for row in reversed(rows)}
    missing = [row for sha256, row in first.items() if sha256 not in known]
    for start in range(0, len(missing), block):
        part = missing[start : start + block]
        known.update(zip((row.sha256 for row in part), compute(part), strict=True))
        _save(path, known)
    return np.stack([known[row.sha256] for row in rows])


def _load(path: Path) -> dict[str, NDArray[Any]]:
    """What is kept; nothing where the file is absent or damaged, since it can be computed again."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(zip(arrays["sha256"].tolist(), arrays["values"], strict=True))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return {}


def _save(path: Path, known: dict[str, NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, sha256=np.array(list(known)), values=np.stack(list(known.values())))
    write_atomically(path, buffer.getvalue())
