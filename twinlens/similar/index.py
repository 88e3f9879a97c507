"""An index that is open: embeddings in, the nearest photos out."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import TwinlensError
from twinlens.extras import need
from twinlens.similar import folder as folders
from twinlens.similar.folder import Description, Photo
from twinlens.similar.kinds import Left, Searcher
from twinlens.similar.projection import Floats, Projection


class Neighbour(TypedDict):
    """A photo that is like the one that was asked about.

    ``score`` is the cosine of their vectors, 1 for the same picture. ``label`` is None where it is not known.
    """

    id: str
    score: float
    label: str | None
    sha256: str


class Index:
    """An index, all of it in memory; what becomes of its folder afterwards does not matter to it.

    :param folder: where it lies.
    :param digest: of the contract of the model in use.
    :raises TwinlensError: ``invalid_index`` if there is none or it is damaged, ``index_mismatch`` if it is of another
        model, ``missing_requirement`` without FAISS.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        need("faiss")

        def read(description: Description) -> tuple[list[Photo], Projection, Searcher]:
            folders.check_model(folder, description, digest)
            photos = folders.read_photos(folder, description.files["photos"])
            return photos, read_projection(folder, description), read_searcher(folder, description)

        self.description, (self.photos, self.projection, self._searcher) = folders.described(folder, read)
        self._rows = np.array([not photo.removed for photo in self.photos], bool)
        self._left = None if self._rows.all() else Left(self._rows)
        found = self._searcher.index
        if (found.ntotal, found.d) != (len(self.photos), self.projection.dimensions):
            raise TwinlensError(
                "invalid_index", f"The files of {folder} do not belong together. Build the index again."
            )
        # FAISS' searches may run side by side; one at a time leaves the cores to decoding and to the network.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.description.photos

    def search(self, embedding: NDArray[np.floating], k: int) -> list[Neighbour]:
        """The nearest photos, nearest first, ``k`` of them or as many as there are.

        :param embedding: of the photo that is asked about, as the network gives it, of shape (size,).
        """
        scores, rows = self.rows(embedding[None], k)
        return [
            {
                "id": self.photos[row].id,
                "score": float(np.clip(score, -1, 1)),
                "label": self.photos[row].label,
                "sha256": self.photos[row].sha256,
            }
            for score, row in zip(scores[0], rows[0], strict=True)
            if row >= 0
        ]

    def rows(self, embeddings: NDArray[np.floating], k: int) -> tuple[Floats, NDArray[np.int64]]:
        """The nearest of each embedding, of shape (Q, size).

        :return: scores and rows, as :meth:`.kinds.Searcher.search` gives them.
        """
        vectors = self.projection(embeddings)
        with self._lock:
            return self._searcher.search(vectors, min(k, len(self)), self._left)

    def vectors(self) -> Floats:
        """The vectors of the photos that are found, in the order of their rows; of an ``ivfpq`` as far as it has them.

        :return: float32 (photos, dimensions).
        """
        index = self._searcher.index
        if self._searcher.kind == "ivfpq":
            index = need("faiss").downcast_index(index.refine_index)
        found: Floats = index.reconstruct_n(0, len(self.photos))
        kept: Floats = found[self._rows]
        return kept


def read_projection(folder: Path, description: Description) -> Projection:
    """The projection of an index.

    :raises TwinlensError: ``invalid_index`` if it is not there, or damaged.
    """
    path = folders.locate(folder, description.files["projection"])
    try:
        return Projection.decode(path.read_bytes())
    except OSError as error:
        raise TwinlensError("invalid_index", f"{path} cannot be read ({error.strerror}).") from None


def read_searcher(folder: Path, description: Description) -> Searcher:
    """What searches an index.

    :raises TwinlensError: ``invalid_index`` if it is not there, or damaged.
    """
    path = folders.locate(folder, description.files["faiss"])
    try:
        found = need("faiss").read_index(str(path))
    except RuntimeError:  # FAISS's for whatever is wrong with a file
        raise TwinlensError("invalid_index", f"{path} cannot be read. Build the index again.") from None
    search = description.search
    return Searcher(found, search.kind, search.effort, search.recall_at_10)
