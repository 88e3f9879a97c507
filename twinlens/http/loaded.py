"""A model that is loaded, the lanes that an image goes through, and what it answers; replaced as one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from twinlens.classifier import AnsweredBy, Classifier
from twinlens.decode import Header
from twinlens.http.lanes import Lane
from twinlens.inference import Network
from twinlens.similar.index import Index, Neighbour


class Inferred(NamedTuple):
    """What the network gives for one image: scores, float64 (labels,), and embedding, float32 (size,), if wanted."""

    scores: NDArray[np.float64]
    embedding: NDArray[np.float32] | None


class Asked(NamedTuple):
    """What the index is asked: an embedding, float32 (size,), and how many photos are wanted."""

    embedding: NDArray[np.float32]
    k: int


class IndexAsked(TypedDict):
    """The index that an answer is from."""

    photos: int
    kind: str


class SimilarAnswer(TypedDict):
    """What is answered for one image: the nearest photos, nearest first, the index, and the model."""

    neighbours: list[Neighbour]
    index: IndexAsked
    model: AnsweredBy


@dataclass(frozen=True)
class Loaded:
    """A model: with every core for one batch, with a share of them where batches come side by side; and its index."""

    classifier: Classifier
    part: Network | None
    index: Index | None


@dataclass(eq=False)
class Model:
    """A loaded model, and the lanes that an image goes through."""

    classifier: Classifier
    decode: Lane[bytes, NDArray[np.uint8] | Header]
    decode_large: Lane[Header, NDArray[np.uint8]]
    inference: Lane[NDArray[np.uint8], Inferred]
    index: Index | None
    search: Lane[Asked, list[Neighbour]] | None
    in_hand: int = 0
    """Requests that it answers."""
    replaced: bool = False

    @contextlib.contextmanager
    def held(self) -> Iterator[Model]:
        """Keep it for one request, whatever is published meanwhile."""
        self.in_hand += 1
        try:
            yield self
        finally:
            self.in_hand -= 1
            if self.replaced and not self.in_hand:
                self.close()

    def replace(self) -> None:
        """Let it go when the last request that it has in hand is answered."""
        self.replaced = True
        if not self.in_hand:
            self.close()

    def close(self) -> None:
        """End its threads; what waits for them is dropped."""
        for lane in (self.decode, self.decode_large, self.inference, self.search):
            if lane is not None:
                lane.close()
