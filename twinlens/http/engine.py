"""The server's one model: loaded and warmed up in the background, then used by every request.

A request's image is decoded in a lane of its own kind and joins a batch only as a finished tensor, whether its label or
photos like it are wanted. Very large images are decoded one at a time, in a lane of their own, so that a few of them
cannot fill the memory or hold up everyone else's. A photo that is alone gets every core; batches that come side by side
share them, since the threads of one run wait for each other at every layer. How many images are in hand is bounded:
past the bound a request is answered 429 at once, since one that waits longer than its client does is work for nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from twinlens import golden
from twinlens.classifier import LARGE_PIXELS, Answer, AnsweredBy, Classifier
from twinlens.decode import Header
from twinlens.errors import TwinlensError
from twinlens.http.lanes import Lane
from twinlens.http.metrics import LANES, Metrics
from twinlens.inference import Network, available_threads
from twinlens.settings import Settings
from twinlens.similar.index import Index, Neighbour
from twinlens.store import ModelVersion

_MOST_SIDE_BY_SIDE: Final = 4
"""Batches at the same time by default; with more, a few requests would leave most of a large machine idle."""
_WAITING_PER_DECODER: Final = 80
"""Photos in hand by default, for each decoding thread: one to two seconds' work of a core."""

NO_INDEX: Final = "This server has no index of photos to look in. Whoever runs it can set TWINLENS_INDEX."


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
class _Loaded:
    """A model: with every core for one batch, with a share of them where batches come side by side; and its index."""

    classifier: Classifier
    part: Network | None
    index: Index | None


logger = logging.getLogger("twinlens")


@dataclass(frozen=True)
class _Model:
    """A loaded model, and the lanes that an image goes through."""

    classifier: Classifier
    decode: Lane[bytes, NDArray[np.uint8] | Header]
    decode_large: Lane[Header, NDArray[np.uint8]]
    inference: Lane[NDArray[np.uint8], Inferred]
    index: Index | None
    search: Lane[Asked, list[Neighbour]] | None

    def close(self) -> None:
        for lane in (self.decode, self.decode_large, self.inference, self.search):
            if lane is not None:
                lane.close()


class Engine:
    """What answers requests: a model, threads that decode, and one place where the network runs.

    :param settings: what to load, and the limits.
    :param metrics: queues, decoding and inference are counted and timed there.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._loading: asyncio.Task[None] | None = None
        self._failed = False
        self._model: _Model | None = None
        self._in_hand = 0
        self._bytes_in_hand = 0
        self._most_bytes = settings.max_waiting_mib * 2**20
        self._decoders = settings.decode_threads or available_threads()
        self._threads = settings.threads or available_threads()
        self._side_by_side = min(settings.batches or _MOST_SIDE_BY_SIDE, self._threads)
        self._most_in_hand = settings.max_waiting or _WAITING_PER_DECODER * self._decoders
        metrics.photos_in_hand_limit.set(self._most_in_hand)

    def start(self) -> None:
        """Begin to load the model; the server answers meanwhile, and photos that come wait for it."""
        self._loading = asyncio.get_running_loop().create_task(self._load())

    async def stop(self) -> None:
        """End what runs and drop what waits."""
        if self._loading is not None:
            self._loading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loading
        if self._model is not None:
            self._model.close()

    @property
    def version(self) -> ModelVersion:
        """The model version in use.

        :raises TwinlensError: ``not_ready`` until it answered its golden picture.
        """
        return self._ready().classifier.version

    async def classify(self, data: bytes, top_k: int) -> Answer:
        """Answer one image.

        One that comes while the model is being loaded waits for it as others wait for their turn: a worker that takes
        the place of another one has that one's clients from the first moment on.

        :param data: the bytes of an image file.
        :param top_k: how many labels at most.
        :raises TwinlensError: ``not_ready``, ``overloaded``, or what is wrong with the image.
        """
        async with self._taken(data) as (model, pixels):
            return model.classifier.answer((await model.inference(pixels)).scores, top_k)

    async def similar(self, data: bytes, k: int) -> SimilarAnswer:
        """Find the photos of the index that are most like one image; it waits as :meth:`classify` does.

        :param data: the bytes of an image file.
        :param k: how many photos at most.
        :raises TwinlensError: ``missing_index`` if the server has none, or as :meth:`classify` does.
        """
        async with self._taken(data) as (model, pixels):
            if model.index is None or model.search is None:
                raise TwinlensError("missing_index", NO_INDEX)
            embedding = (await model.inference(pixels)).embedding
            assert embedding is not None
            neighbours = await model.search(Asked(embedding, k))
            found = model.index.description
            return {
                "neighbours": neighbours,
                "index": {"photos": found.photos, "kind": found.search.kind},
                "model": model.classifier.answered_by,
            }

    @contextlib.asynccontextmanager
    async def _taken(self, data: bytes) -> AsyncIterator[tuple[_Model, NDArray[np.uint8]]]:
        """The model and a decoded photo, which is in hand until the block ends."""
        too_large = self._in_hand and self._bytes_in_hand + len(data) > self._most_bytes
        if self._in_hand >= self._most_in_hand or too_large:
            self._metrics.shed("full")
            held = f"{self._in_hand} photos of {self._bytes_in_hand / 2**20:.0f} MiB"
            raise TwinlensError("overloaded", f"The server has {held} in hand, as much as it takes. Try again later.")
        self._in_hand += 1
        self._bytes_in_hand += len(data)
        self._metrics.photos_in_hand.inc()
        try:
            model = await self._loaded()
            decoded = await model.decode(data)
            if isinstance(decoded, Header):
                decoded = await model.decode_large(decoded)
            yield model, decoded
        finally:
            self._in_hand -= 1
            self._bytes_in_hand -= len(data)
            self._metrics.photos_in_hand.dec()

    async def _loaded(self) -> _Model:
        """The model, once it is loaded.

        :raises TwinlensError: ``not_ready`` if it could not be, or nobody has begun.
        """
        if self._loading is not None and not self._loading.done():
            await asyncio.shield(self._loading)  # others wait for it too, when this client goes
        return self._ready()

    def _ready(self) -> _Model:
        if self._model is None:
            raise TwinlensError(
                "not_ready",
                "The model could not be loaded; the server's log says why."
                if self._failed
                else "The model is still being loaded. Try again in a moment.",
            )
        return self._model

    async def _load(self) -> None:
        loader = ThreadPoolExecutor(1, "load")
        try:
            loaded = await asyncio.get_running_loop().run_in_executor(loader, self._load_now)
        except Exception as error:
            self._failed = True
            code = error.code if isinstance(error, TwinlensError) else "internal"
            logger.error("The model could not be loaded: %s: %s", code, error, exc_info=code == "internal")
            return
        finally:
            loader.shutdown(wait=False)
        self._model = self._lanes(loaded)
        classifier = loaded.classifier
        name, version = classifier.contract.model.name, classifier.contract.model.version
        self._metrics.model.labels(name, version, classifier.version.digest).set(1)
        logger.info("Twinlens is ready: model %s %s (%s)", name, version, classifier.version.digest[:12])

    def _load_now(self) -> _Loaded:
        classifier = Classifier.current(self._settings)
        classifier.warm_up()
        folder = self._settings.index
        index = Index(folder, classifier.version.digest) if folder is not None else None
        if self._side_by_side == 1:
            return _Loaded(classifier, None, index)
        # Every run has the thread that asks for it; the others of a session help whichever run has work for them, so
        # that together they are as many as there are cores, whatever that is divided by.
        part = Network(classifier.version, self._threads - self._side_by_side + 1)
        golden.check(part, only_first=True)
        return _Loaded(classifier, part, index)

    def _lanes(self, loaded: _Loaded) -> _Model:
        classifier, part, index = loaded.classifier, loaded.part, loaded.index
        largest = self._settings.max_batch_size if self._settings.batching else 1

        def decode_unless_large(one: Sequence[bytes], _: bool) -> list[NDArray[np.uint8] | Header]:
            header = classifier.read_header(one[0])
            return [header if header.allocates > LARGE_PIXELS else self._decode(classifier, header)]

        def decode_large(one: Sequence[Header], _: bool) -> list[NDArray[np.uint8]]:
            return [self._decode(classifier, one[0])]

        def infer(batch: Sequence[NDArray[np.uint8]], alone: bool) -> Sequence[Inferred]:
            return self._infer(classifier if alone or part is None else part, batch, index is not None)

        def look(one: Sequence[Asked], _: bool) -> list[list[Neighbour]]:
            assert index is not None
            return [index.search(*one[0])]

        decode, large, inference, search = LANES
        return _Model(
            classifier,
            Lane(decode, decode_unless_large, self._decoders, 1, self._metrics),
            Lane(large, decode_large, 1, 1, self._metrics),
            Lane(inference, infer, self._side_by_side, largest, self._metrics),
            index,
            Lane(search, look, 1, 1, self._metrics) if index is not None else None,
        )

    def _decode(self, classifier: Classifier, header: Header) -> NDArray[np.uint8]:
        started = time.perf_counter()
        pixels = classifier.pixels(header)
        self._metrics.decode_seconds.observe(time.perf_counter() - started)
        return pixels

    def _infer(
        self, network: Classifier | Network, images: Sequence[NDArray[np.uint8]], embeddings: bool
    ) -> Sequence[Inferred]:
        batch = images[0][None] if len(images) == 1 else np.stack(images)
        started = time.perf_counter()
        if embeddings:
            found = [Inferred(*each) for each in zip(*network.scores_and_embeddings(batch), strict=True)]
        else:
            found = [Inferred(each, None) for each in network.scores(batch)]
        self._metrics.inference_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_size.observe(len(batch))
        return found
