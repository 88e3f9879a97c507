"""Which photos of a data set visitors may have sent too.

What visitors send is kept without its notes, and so has another digest than the file in the data set that it is a copy
of. Without the same being done to that file, a photo to test on would come in once more, to learn from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.contract import Rules
from twinlens.dataset.kept import kept
from twinlens.dataset.manifest import Row
from twinlens.decode import Limits, in_turn, read_header
from twinlens.errors import TwinlensError
from twinlens.feedback.strip import stripped
from twinlens.inference import available_threads

_NAME: Final = "stripped-2"
"""Where the digests are kept; another one whenever what is left of a photo changes."""
_BYTES: Final = 32


def digests_as_sent(folder: Path, rows: Sequence[Row], rules: Rules, limits: Limits) -> dict[str, str]:
    """The SHA-256 that each photo of a data set would have as feedback, by that of its file; computed ones are kept.

    :param folder: of the data set.
    :param rules: the contract of the model in use.
    :return: without photos that cannot be read, or are not what the manifest lists.
    """

    def digest(row: Row) -> NDArray[np.float32]:
        try:
            data = (folder / row.path).read_bytes()
            if hashlib.sha256(data).hexdigest() != row.sha256:
                return np.full(_BYTES, np.nan, np.float32)
            with in_turn(read_header(data, rules, limits)):
                file, _ = stripped(data, rules, limits)
        except (OSError, TwinlensError):
            return np.full(_BYTES, np.nan, np.float32)
        return np.frombuffer(hashlib.sha256(file).digest(), np.uint8).astype(np.float32)

    def compute(some: Sequence[Row]) -> NDArray[np.float32]:
        with ThreadPoolExecutor(available_threads()) as pool:
            return np.stack(list(pool.map(digest, some)))

    if not rows:
        return {}
    found = kept(folder, _NAME, rows, compute, block=256)
    return {
        row.sha256: bytes(value.astype(np.uint8)).hex()
        for row, value in zip(rows, found, strict=True)
        if not np.isnan(value).any()
    }
