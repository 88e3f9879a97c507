"""The server's model: loaded and warmed up in the background, used by every request, replaced when one is published.

A request's image is decoded in a lane of its own kind and joins a batch only as a finished tensor. Very large
images are decoded one at a time, in a lane of their own, so that a few of them cannot fill the memory or hold up
everyone else's. A photo that is alone gets every core; batches that come side by side share them, since the threads
of one run wait for each other at every layer. How many images are in hand is bounded: past the bound a request is
answered 429 at once, since one that waits longer than its client does is work for nobody.

When another version is put in use, it is loaded beside the one that answers and has to give its golden answers first.
Then requests that come are answered by it; those in hand end with the version that they began with, from decoding to
the names of the labels, and its memory is given back with the last of them. Until then no third one is loaded: there
are never more than two models. A version that cannot be used changes nothing: it is logged once, and the one before
goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens import golden
from twinlens.classifier import LARGE_PIXELS, Answer, Classifier
from twinlens.decode import Header
from twinlens.errors import TwinlensError
from twinlens.http import follow
from twinlens.http.follow import Follower
from twinlens.http.lanes import Lane
from twinlens.http.metrics import LANES, Metrics
from twinlens.inference import Network, available_threads
from twinlens.settings import Settings
from twinlens.store import ModelVersion, open_current

_MOST_SIDE_BY_SIDE: Final = 4
"""Batches at the same time by default; with more, a few requests would leave most of a large machine idle."""
_WAITING_PER_DECODER: Final = 80
"""Photos in hand by default, for each decoding thread: one to two seconds' work of a core."""

Scores = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""From pixels, uint8 (N, height, width, 3), to scores, float64 (N, labels)."""

logger = logging.getLogger("twinlens")


@dataclass(eq=False)
class _Model:
    """A loaded model, and the lanes that an image goes through."""

    classifier: Classifier
    decode: Lane[bytes, NDArray[np.uint8] | Header]
    decode_large: Lane[Header, NDArray[np.uint8]]
    inference: Lane[NDArray[np.uint8], NDArray[np.float64]]
    in_hand: int = 0
    """Requests that it answers."""
    replaced: bool = False

    @contextlib.contextmanager
    def held(self) -> Iterator[_Model]:
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
        for lane in (self.decode, self.decode_large, self.inference):
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
        self._following: asyncio.Task[None] | None = None
        self._follower = Follower(settings.model_folder)
        self._loader = ThreadPoolExecutor(1, "load")
        self._failure: str | None = None
        self._model: _Model | None = None
        self._leaving: _Model | None = None
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
        too_large = self._in_hand and self._bytes_in_hand + len(data) > self._most_bytes
        if self._in_hand >= self._most_in_hand or too_large:
            self._metrics.shed("full")
            held = f"{self._in_hand} photos of {self._bytes_in_hand / 2**20:.0f} MiB"
            raise TwinlensError("overloaded", f"The server has {held} in hand, as much as it takes. Try again later.")
        self._in_hand += 1
        self._bytes_in_hand += len(data)
        self._metrics.photos_in_hand.inc()
        try:
            with (await self._loaded()).held() as model:
                decoded = await model.decode(data)
                if isinstance(decoded, Header):
                    decoded = await model.decode_large(decoded)
                return model.classifier.answer(await model.inference(decoded), top_k)
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

    async def _take_up(self, load: Callable[[], tuple[Classifier, Network | None] | None]) -> None:
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
        classifier, part = loaded
        self._model = self._lanes(classifier, part)
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

    def _load_another(self) -> tuple[Classifier, Network | None] | None:
        """What is to take the place of the model in use, seen to be whole; nothing if that is it."""
        in_use = self._model
        if in_use is None:
            return self._load_now()
        if open_current(self._settings.model_folder).digest == in_use.classifier.version.digest:
            return None
        classifier, part = self._load_now()
        classifier.check_whole()
        return classifier, part

    def _load_now(self) -> tuple[Classifier, Network | None]:
        classifier = Classifier.current(self._settings)
        classifier.warm_up()
        if self._side_by_side == 1:
            return classifier, None
        # Every run has the thread that asks for it; the others of a session help whichever run has work for them, so
        # that together they are as many as there are cores, whatever that is divided by.
        part = Network(classifier.version, self._threads - self._side_by_side + 1)
        golden.check(part, only_first=True)
        return classifier, part

    def _lanes(self, classifier: Classifier, part: Network | None) -> _Model:
        largest = self._settings.max_batch_size if self._settings.batching else 1

        def decode_unless_large(one: Sequence[bytes], _: bool) -> list[NDArray[np.uint8] | Header]:
            header = classifier.read_header(one[0])
            return [header if header.allocates > LARGE_PIXELS else self._decode(classifier, header)]

        def decode_large(one: Sequence[Header], _: bool) -> list[NDArray[np.uint8]]:
            return [self._decode(classifier, one[0])]

        def infer(batch: Sequence[NDArray[np.uint8]], alone: bool) -> Sequence[NDArray[np.float64]]:
            return self._scores(classifier.scores if alone or part is None else part.scores, batch)

        decode, large, inference = LANES
        return _Model(
            classifier,
            Lane(decode, decode_unless_large, self._decoders, 1, self._metrics),
            Lane(large, decode_large, 1, 1, self._metrics),
            Lane(inference, infer, self._side_by_side, largest, self._metrics),
        )

    def _decode(self, classifier: Classifier, header: Header) -> NDArray[np.uint8]:
        started = time.perf_counter()
        pixels = classifier.pixels(header)
        self._metrics.decode_seconds.observe(time.perf_counter() - started)
        return pixels

    def _scores(self, run: Scores, images: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float64]]:
        batch = images[0][None] if len(images) == 1 else np.stack(images)
        started = time.perf_counter()
        scores = run(batch)
        self._metrics.inference_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_size.observe(len(batch))
        return list(scores)
