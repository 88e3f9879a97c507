"""The embeddings of an index, kept as they came from the network, by the photo's SHA-256.

They are what an index is made of: with them it can be made anew, with another projection or in another kind, and a
build that was stopped goes on. A block of them is an array of half-precision numbers and a list of digests, which is
written last, so that a block is there whole or not at all. One of another model is in another folder.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import TwinlensError
from twinlens.store import write_atomically

Halves = NDArray[np.float16]

BLOCK: Final = 1024
"""Embeddings in a block: what a stop can cost."""
_VECTORS: Final = ".npy"
_DIGESTS: Final = ".sha256"


class Blocks:
    """What is kept in one folder.

    :param folder: made when something is kept.
    :param size: numbers in an embedding.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._size = size
        self._blocks: list[tuple[Path, list[str]]] = []
        self._place: dict[str, tuple[int, int]] = {}
        self._next = 0
        for listed in sorted(folder.glob(f"[0-9]*{_DIGESTS}")):
            self._next = max(self._next, int(listed.stem) + 1)
            digests = listed.read_text(encoding="ascii").split()
            if self._fits(listed.with_suffix(_VECTORS), len(digests)):
                self._take(listed.with_suffix(_VECTORS), digests)

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._place

    @property
    def known(self) -> frozenset[str]:
        """SHA-256 of every photo whose embedding is kept."""
        return frozenset(self._place)

    def keep(self, digests: Sequence[str], embeddings: NDArray[np.floating]) -> None:
        """Keep embeddings as a block.

        :param embeddings: array of shape (N, size), in the order of the digests; one that half precision cannot hold is
            kept divided by its largest number, which leaves its direction as it is.
        """
        path = self._folder / f"{self._next:06d}{_VECTORS}"
        self._next += 1
        buffer = io.BytesIO()
        np.save(buffer, _halves(embeddings))
        write_atomically(path, buffer.getvalue())
        write_atomically(path.with_suffix(_DIGESTS), "".join(f"{digest}\n" for digest in digests).encode())
        self._take(path, list(digests))

    def read(self, digests: Sequence[str], at_once: int = 8192) -> Iterator[Halves]:
        """The embeddings of photos, in their order, so many at once that little memory is needed.

        :return: arrays of shape (n, size).
        :raises TwinlensError: ``invalid_index`` if one is not kept.
        """
        for start in range(0, len(digests), at_once):
            wanted = digests[start : start + at_once]
            try:
                places = np.array([self._place[digest] for digest in wanted])
            except KeyError as error:
                raise TwinlensError(
                    "invalid_index", f"The index has no embedding of photo {error.args[0][:12]}…: build it again."
                ) from None
            found = np.empty((len(wanted), self._size), np.float16)
            for block in np.unique(places[:, 0]):
                rows = places[:, 0] == block
                found[rows] = np.load(self._blocks[block][0], mmap_mode="r")[places[rows, 1]]
            yield found

    def keep_only(self, digests: Collection[str]) -> None:
        """Forget every other embedding: blocks that hold one are written anew without it."""
        wanted = set(digests)
        if wanted >= self._place.keys():
            return
        before, self._blocks, self._place = self._blocks, [], {}
        for path, listed in before:
            rows = [row for row, digest in enumerate(listed) if digest in wanted]
            if len(rows) == len(listed):
                self._take(path, listed)
                continue
            if rows:
                self.keep([listed[row] for row in rows], np.load(path)[rows])
            # The list goes first: without it the vectors are no block.
            path.with_suffix(_DIGESTS).unlink()
            path.unlink()

    def _take(self, path: Path, digests: list[str]) -> None:
        for row, digest in enumerate(digests):
            self._place[digest] = len(self._blocks), row
        self._blocks.append((path, digests))

    def _fits(self, path: Path, count: int) -> bool:
        try:
            found = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return False
        return bool(found.shape == (count, self._size) and found.dtype == np.float16)


def _halves(embeddings: NDArray[np.floating]) -> Halves:
    limits = np.finfo(np.float16)
    largest = np.abs(embeddings).max(axis=1, keepdims=True, initial=0)
    # The bound below leaves ten bits to numbers that are a thousandth of the largest.
    fits = (largest <= limits.max) & (largest >= 1024 * limits.tiny) | (largest == 0)
    return np.asarray(embeddings / np.where(fits, 1, largest), np.float16)
