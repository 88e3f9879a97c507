"""The server's model: loaded and warmed up in the background, used by every request, replaced when one is published.

A request's image is decoded in a lane of its own kind and joins a batch only as a finished tensor, whether its label or
photos like it are wanted. Very large images are decoded one at a time, in a lane of their own, so that a few of them
cannot fill the memory or hold up everyone else's. A photo that is alone gets every core; batches that come side by side
share them, since the threads of one run wait for each other at every layer. How many images are in hand is bounded:
past the bound a request is answered 429 at once, since one that waits longer than its client does is work for nobody.

When another version is put in use, it is loaded beside the one that answers and has to give its golden answers first.
Then requests that come are answered by it; those in hand end with the version that they began with, from decoding to
the names of the labels, and its memory is given back with the last of them. Until then no third one is loaded: there
are never more than two models. A version that cannot be used changes nothing: it is logged once, and the one before
goes on. So it is where the server has an index, until that is of the new version: labels and photos that are alike are
always of one model.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens import golden
from twinlens.classifier import Answer, Classifier
from twinlens.decode import LARGE_PIXELS, Header, in_turn
from twinlens.errors import TwinlensError
from twinlens.http import follow
from twinlens.http.follow import Follower
from twinlens.http.lanes import Lane
from twinlens.http.loaded import Asked, Inferred, Loaded, Model, SimilarAnswer
from twinlens.http.metrics import LANES, Metrics
from twinlens.inference import Network, available_threads
from twinlens.settings import Settings
from twinlens.similar.folder import DESCRIPTION, check_model, describe
from twinlens.similar.index import Index, Neighbour
from twinlens.store import ModelVersion, open_current

_MOST_SIDE_BY_SIDE: Final = 4
"""Batches at the same time by default; with more, a few requests would leave most of a large machine idle."""
_WAITING_PER_DECODER: Final = 80
"""Photos in hand by default, for each decoding thread: one to two seconds' work of a core."""

NO_INDEX: Final = "This server has no index of photos to look in. Whoever runs it can set TWINLENS_INDEX."

logger = logging.getLogger("twinlens")


class Engine:
    """What answers requests: a model, threads that decode, and one place where the network runs.

    :param settings: what to load, and the limits.
    :param metrics: queues, decoding and inference are counted and timed there.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._loading: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._follower = Follower(settings.model_folder, settings.index and settings.index / DESCRIPTION)
        self._loader = ThreadPoolExecutor(1, "load")
        self._failure: str | None = None
        self._model: Model | None = None
        self._leaving: Model | None = None
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
        self._following = asyncio.get_running_loop().create_task(self._follow(self._loading))

    async def stop(self) -> None:
        """End what runs and drop what waits."""
        for task in (self._following, self._loading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._loader.shutdown(wait=False, cancel_futures=True)
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
        with self.admitted(len(data)):
            return await self.answer(data, top_k)

    async def similar(self, data: bytes, k: int) -> SimilarAnswer:
        """Find the photos of the index that are most like one image; it waits as :meth:`classify` does.

        :param data: the bytes of an image file.
        :param k: how many photos at most.
        :raises TwinlensError: ``missing_index`` if the server has none, or as :meth:`classify` does.
        """
        with self.admitted(len(data)):
            async with self._decoded(data) as (model, pixels):
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

    @contextlib.contextmanager
    def admitted(self, size: int) -> Iterator[None]:
        """Have a photo in hand while the block lasts, whatever is done with it.

        :param size: of its file, in bytes.
        :raises TwinlensError: ``overloaded`` if there are as many as may be.
        """
        too_large = self._in_hand and self._bytes_in_hand + size > self._most_bytes
        if self._in_hand >= self._most_in_hand or too_large:
            self._metrics.shed("full")
            held = f"{self._in_hand} photos of {self._bytes_in_hand / 2**20:.0f} MiB"
            raise TwinlensError("overloaded", f"The server has {held} in hand, as much as it takes. Try again later.")
        self._in_hand += 1
        self._bytes_in_hand += size
        self._metrics.photos_in_hand.inc()
        try:
            yield
        finally:
            self._in_hand -= 1
            self._bytes_in_hand -= size
            self._metrics.photos_in_hand.dec()

    async def answer(self, data: bytes, top_k: int) -> Answer:
        """Answer one image that was admitted.

        :raises TwinlensError: ``not_ready``, or what is wrong with the image.
        """
        async with self._decoded(data) as (model, pixels):
            return model.classifier.answer((await model.inference(pixels)).scores, top_k)

    @contextlib.asynccontextmanager
    async def _decoded(self, data: bytes) -> AsyncIterator[tuple[Model, NDArray[np.uint8]]]:
        """The model that answers one request from beginning to end, and the photo as it takes it.

        :raises TwinlensError: ``not_ready``, or what is wrong with the image.
        """
        with (await self._loaded()).held() as model:
            decoded = await model.decode(data)
            if isinstance(decoded, Header):
                decoded = await model.decode_large(decoded)
            yield model, decoded

    async def _loaded(self) -> Model:
        """The model, once it is loaded.

        :raises TwinlensError: ``not_ready`` if it could not be, or nobody has begun.
        """
        if self._loading is not None and not self._loading.done():
            await asyncio.shield(self._loading)  # others wait for it too, when this client goes
        return self._ready()

    def _ready(self) -> Model:
        if self._model is None:
            raise TwinlensError(
                "not_ready",
                "The model could not be loaded; the server's log says why."
                if self._failure
                else "The model is still being loaded. Try again in a moment.",
            )
        return self._model

    async def _load(self) -> None:
        """Load the first model."""
        self._follower.due()
        await self._take_up(self._load_now)

    async def _follow(self, loading: asyncio.Task[None]) -> None:
        """Take up what is published from now on, and the first model where it could not be loaded at first."""
        await asyncio.wait([loading])
        while True:
            await asyncio.sleep(follow.LOOK_SECONDS)
            if self._leaving is not None and self._leaving.in_hand:
                continue  # a third model would need a third one's memory; requests end in their time
            self._leaving = None
            # In a thread: a folder on another machine may take its time.
            if await asyncio.get_running_loop().run_in_executor(self._loader, self._follower.due):
                await self._take_up(self._load_another)

    async def _take_up(self, load: Callable[[], Loaded | None]) -> None:
        """Load a model and have it answer; one that cannot be used leaves everything as it is.

        :param load: called in a thread; gives nothing where the model in use is the one wanted.
        """
        before = self._model
        try:
            loaded = await asyncio.get_running_loop().run_in_executor(self._loader, load)
        except Exception as error:
            self._follower.failed()
            self._refuse(error)
            return
        self._failure = None
        if loaded is None:
            return
        classifier = loaded.classifier
        self._model = self._lanes(loaded)
        model = classifier.contract.model
        self._metrics.model_in_use(model.name, model.version, classifier.version.digest)
        if before is None:
            logger.info(
                "Twinlens is ready: model %s %s (%s)", model.name, model.version, classifier.version.digest[:12]
            )
            return
        was = before.classifier.contract.model.version
        logger.info(
            "Twinlens answers with model %s %s (%s) from now on, no longer with %s",
            *(model.name, model.version, classifier.version.digest[:12], was),
        )
        self._metrics.published("taken")
        before.replace()
        self._leaving = before if before.in_hand else None

    def _refuse(self, error: Exception) -> None:
        """Log why a model cannot be used, once for as long as the reason is the same."""
        code = error.code if isinstance(error, TwinlensError) else "internal"
        failure = f"{code}: {error}"
        if failure == self._failure:
            return
        self._failure = failure
        if self._model is None:
            logger.error("The model could not be loaded: %s", failure, exc_info=error if code == "internal" else None)
            return
        self._metrics.published("refused")
        logger.error(
            "What was published cannot be used, and %s goes on: %s",
            *(self._model.classifier.contract.model.version, failure),
            exc_info=error if code == "internal" else None,
        )

    def _load_another(self) -> Loaded | None:
        """What is to take the place of the model in use, seen to be whole; nothing if that is it."""
        in_use = self._model
        if in_use is None:
            return self._load_now()
        version, index = open_current(self._settings.model_folder), self._settings.index
        if version.digest == in_use.classifier.version.digest:
            return None
        if index is not None:  # before anything is loaded: it may take a while until it is made anew
            check_model(index, describe(index), version.digest)
        loaded = self._load_now()
        loaded.classifier.check_whole()
        return loaded

    def _load_now(self) -> Loaded:
        classifier = Classifier.current(self._settings)
        classifier.warm_up()
        folder = self._settings.index
        index = Index(folder, classifier.version.digest) if folder is not None else None
        if self._side_by_side == 1:
            return Loaded(classifier, None, index)
        # Every run has the thread that asks for it; the others of a session help whichever run has work for them, so
        # that together they are as many as there are cores, whatever that is divided by.
        part = Network(classifier.version, self._threads - self._side_by_side + 1)
        golden.check(part, only_first=True)
        return Loaded(classifier, part, index)

    def _lanes(self, loaded: Loaded) -> Model:
        classifier, part, index = loaded.classifier, loaded.part, loaded.index
        largest = self._settings.max_batch_size if self._settings.batching else 1

        def decode_unless_large(one: Sequence[bytes], _: bool) -> list[NDArray[np.uint8] | Header]:
            header = classifier.read_header(one[0])
            return [header if header.allocates > LARGE_PIXELS else self._decode(classifier, header)]

        def decode_large(one: Sequence[Header], _: bool) -> list[NDArray[np.uint8]]:
            with in_turn(one[0]):  # feedback has the same photo stripped, in a thread of its own
                return [self._decode(classifier, one[0])]

        def infer(batch: Sequence[NDArray[np.uint8]], alone: bool) -> Sequence[Inferred]:
            return self._infer(classifier if alone or part is None else part, batch, index is not None)

        def look(one: Sequence[Asked], _: bool) -> list[list[Neighbour]]:
            assert index is not None
            return [index.search(*one[0])]

        decode, large, inference, search = LANES
        return Model(
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
