"""The server's one model: loaded and warmed up in the background, then used by every request.

A request's image is decoded in a lane of its own kind and joins a batch only as a finished tensor. Very large
images are decoded one at a time, in a lane of their own, so that a few of them cannot fill the memory or hold up
everyone else's. A photo that is alone gets every core; batches that come side by side share them, since the threads
of one run wait for each other at every layer. How many images are in hand is bounded: past the bound a request is
answered 429 at once, since one that waits longer than its client does is work for nobody.
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
from twinlens.classifier import Answer, Classifier
from twinlens.decode import LARGE_PIXELS, Header, in_turn
from twinlens.errors import TwinlensError
from twinlens.http.lanes import Lane
from twinlens.http.metrics import LANES, Metrics
from twinlens.inference import Network, available_threads
from twinlens.settings import Settings
from twinlens.store import ModelVersion

_MOST_SIDE_BY_SIDE: Final = 4
"""Batches at the same time by default; with more, a few requests would leave most of a large machine idle."""
_WAITING_PER_DECODER: Final = 80
"""Photos in hand by default, for each decoding thread: one to two seconds' work of a core."""

Scores = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""From pixels, uint8 (N, height, width, 3), to scores, float64 (N, labels)."""

logger = logging.getLogger("twinlens")


@dataclass(frozen=True)
class _Model:
    """A loaded model, and the lanes that an image goes through."""

    classifier: Classifier
    decode: Lane[bytes, NDArray[np.uint8] | Header]
    decode_large: Lane[Header, NDArray[np.uint8]]
    inference: Lane[NDArray[np.uint8], NDArray[np.float64]]

    def close(self) -> None:
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
        with self.admitted(len(data)):
            return await self.answer(data, top_k)

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
        model = await self._loaded()
        decoded = await model.decode(data)
        if isinstance(decoded, Header):
            decoded = await model.decode_large(decoded)
        return model.classifier.answer(await model.inference(decoded), top_k)

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
            classifier, part = await asyncio.get_running_loop().run_in_executor(loader, self._load_now)
        except Exception as error:
            self._failed = True
            code = error.code if isinstance(error, TwinlensError) else "internal"
            logger.error("The model could not be loaded: %s: %s", code, error, exc_info=code == "internal")
            return
        finally:
            loader.shutdown(wait=False)
        self._model = self._lanes(classifier, part)
        name, version = classifier.contract.model.name, classifier.contract.model.version
        self._metrics.model.labels(name, version, classifier.version.digest).set(1)
        logger.info("Twinlens is ready: model %s %s (%s)", name, version, classifier.version.digest[:12])

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
            with in_turn(one[0]):  # feedback has the same photo stripped, in a thread of its own
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
