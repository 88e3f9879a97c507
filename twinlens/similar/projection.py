"""From the network's embedding to the vector that is compared: length 1, fewer dimensions, length 1 again.

The dimensions are principal components of the photos that are indexed. What they leave out is little of what photos
differ in, and most of what a search would have to hold and to multiply.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import TwinlensError

Floats = NDArray[np.float32]

_FEWEST: Final = 16
"""Dimensions under which there is no projection: along one, all photos are the same as each other or the opposite."""
_NOISE: Final = 1e-12
"""Variance of vectors of length 1 that is none: they are the same photo."""


def unit(vectors: NDArray[np.floating]) -> Floats:
    """Vectors of length 1, float32 of shape (..., size); of nothing but zeros: zeros."""
    vectors = np.asarray(vectors, np.float32)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), np.float32)


@dataclass(frozen=True)
class Projection:
    """What :func:`fit` found, or none: then a vector is the embedding with length 1.

    :param mean: float32 (size,), of embeddings of length 1.
    :param axes: float32 (dimensions, size), of length 1 and at right angles; None for none.
    :param explained: share of the photos' variance that the axes hold.
    """

    mean: Floats
    axes: Floats | None
    explained: float = 1.0

    @classmethod
    def none(cls, size: int) -> Projection:
        """The projection that leaves embeddings of so many numbers as they are, but for their length."""
        return cls(np.zeros(size, np.float32), None)

    @property
    def size(self) -> int:
        """Numbers in an embedding."""
        return len(self.mean)

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        return self.size if self.axes is None else len(self.axes)

    def __call__(self, embeddings: NDArray[np.floating]) -> Floats:
        """Vectors, float32 (N, dimensions), of embeddings of shape (N, size)."""
        vectors = unit(embeddings)
        return vectors if self.axes is None else unit((vectors - self.mean) @ self.axes.T)

    def encode(self) -> bytes:
        """The projection as the bytes of an ``.npz``."""
        buffer = io.BytesIO()
        axes = np.empty((0, self.size), np.float32) if self.axes is None else self.axes
        np.savez(buffer, mean=self.mean, axes=axes, explained=np.float64(self.explained))
        return buffer.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Projection:
        """Read what :meth:`encode` wrote.

        :raises TwinlensError: ``invalid_index`` if it is something else.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                mean, axes = arrays["mean"], arrays["axes"]
                if mean.ndim != 1 or axes.shape[1:] != mean.shape:
                    raise ValueError("shapes")
                return cls(mean, axes if len(axes) else None, float(arrays["explained"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            raise TwinlensError("invalid_index", "The index's projection is damaged. Build the index again.") from None


def fit(blocks: Iterable[NDArray[np.floating]], size: int, dimensions: int) -> Projection:
    """Fit a projection to photos.

    :param blocks: their embeddings, arrays of shape (n, size).
    :param size: numbers in an embedding.
    :param dimensions: of a vector; fewer where the photos, or the embeddings, allow no more.
    :return: none where photos are so few, or so alike, that they span neither sixteen dimensions nor what is asked for,
        or embeddings are no larger than that.
    """
    if size <= dimensions:
        return Projection.none(size)
    count, total, products = 0, np.zeros(size), np.zeros((size, size))
    for block in blocks:
        vectors = unit(block).astype(np.float64)
        count += len(vectors)
        total += vectors.sum(axis=0)
        products += vectors.T @ vectors
    if not count:
        return Projection.none(size)
    mean = total / count
    values, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
    # Few photos span few dimensions; what is left is noise of the arithmetic.
    kept = min(dimensions, int((values > max(1e-9 * values[-1], _NOISE)).sum()))
    if kept < min(_FEWEST, dimensions):
        return Projection.none(size)
    axes = vectors[:, ::-1][:, :kept].T
    # An eigenvector's sign is anybody's guess: the largest number is made positive, so that it is everywhere the same.
    axes = axes * np.sign(axes[np.arange(kept), np.abs(axes).argmax(axis=1)])[:, None]
    explained = float(values[::-1][:kept].sum() / max(values.sum(), 1e-30))
    return Projection(mean.astype(np.float32), np.ascontiguousarray(axes, np.float32), min(explained, 1.0))
