"""The server's one model: loaded and warmed up in the background, then used by every request.

A request's image is decoded in a thread of its own kind and joins a batch only as a finished tensor. Very large
images are decoded one at a time, in a lane of their own, so that a few of them cannot fill the memory or hold up
everyone else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens.classifier import LARGE_PIXELS, Answer, Classifier
from twinlens.decode import Header
from twinlens.errors import TwinlensError
from twinlens.http.batching import Batcher
from twinlens.http.metrics import Metrics
from twinlens.inference import available_threads
from twinlens.settings import Settings
from twinlens.store import ModelVersion

logger = logging.getLogger("twinlens")


@dataclass(frozen=True)
class _Model:
    """A loaded model, and what runs one image of its input through it."""

    classifier: Classifier
    score: Callable[[NDArray[np.uint8]], Awaitable[NDArray[np.float64]]]


class Engine:
    """What answers requests: a model, threads that decode, and one place where the network runs.

    :param settings: what to load, and the limits.
    :param metrics: decode and inference are timed there.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._decoders = ThreadPoolExecutor(settings.decode_threads or available_threads(), "decode")
        self._large = ThreadPoolExecutor(1, "decode-large")
        self._runner = ThreadPoolExecutor(1, "inference")
        self._loading: asyncio.Task[None] | None = None
        self._failed = False
        self._model: _Model | None = None
        self._batcher: Batcher | None = None

    def start(self) -> None:
        """Begin to load the model; the server answers meanwhile, with ``not_ready`` where it needs one."""
        self._loading = asyncio.get_running_loop().create_task(self._load())

    async def stop(self) -> None:
        """End what runs and drop what waits."""
        if self._loading is not None:
            self._loading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loading
        if self._batcher is not None:
            self._batcher.close()
        for pool in (self._decoders, self._large, self._runner):
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def version(self) -> ModelVersion:
        """The model version in use.

        :raises TwinlensError: ``not_ready`` until it answered its golden picture.
        """
        return self._ready().classifier.version

    async def classify(self, data: bytes, top_k: int) -> Answer:
        """Answer one image.

        :param data: the bytes of an image file.
        :param top_k: how many labels at most.
        :raises TwinlensError: ``not_ready``, ``overloaded``, or what is wrong with the image.
        """
        model = self._ready()
        loop = asyncio.get_running_loop()
        decoded = await loop.run_in_executor(self._decoders, self._decode_unless_large, model.classifier, data)
        if isinstance(decoded, Header):
            decoded = await loop.run_in_executor(self._large, self._decode, model.classifier, decoded)
        return model.classifier.answer(await model.score(decoded), top_k)

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
        loop = asyncio.get_running_loop()
        try:
            classifier = await loop.run_in_executor(self._runner, self._load_now)
        except Exception as error:
            self._failed = True
            code = error.code if isinstance(error, TwinlensError) else "internal"
            logger.error("The model could not be loaded: %s: %s", code, error, exc_info=code == "internal")
            return
        if self._settings.batching:
            self._batcher = Batcher(
                lambda batch: self._run(classifier, batch),
                self._settings.max_batch_size,
                self._settings.max_latency_ms,
            )
        self._model = _Model(classifier, self._batcher or (lambda pixels: self._run_one(classifier, pixels)))
        name, version = classifier.contract.model.name, classifier.contract.model.version
        self._metrics.model.labels(name, version, classifier.version.digest).set(1)
        logger.info("Twinlens is ready: model %s %s (%s)", name, version, classifier.version.digest[:12])

    def _load_now(self) -> Classifier:
        classifier = Classifier.current(self._settings)
        classifier.warm_up()
        return classifier

    def _decode_unless_large(self, classifier: Classifier, data: bytes) -> NDArray[np.uint8] | Header:
        header = classifier.read_header(data)
        return header if header.allocates > LARGE_PIXELS else self._decode(classifier, header)

    def _decode(self, classifier: Classifier, header: Header) -> NDArray[np.uint8]:
        started = time.perf_counter()
        pixels = classifier.pixels(header)
        self._metrics.decode_seconds.observe(time.perf_counter() - started)
        return pixels

    async def _run_one(self, classifier: Classifier, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.asarray((await self._run(classifier, pixels[None]))[0])

    async def _run(self, classifier: Classifier, batch: NDArray[np.uint8]) -> NDArray[np.float64]:
        return await asyncio.get_running_loop().run_in_executor(self._runner, self._scores, classifier, batch)

    def _scores(self, classifier: Classifier, batch: NDArray[np.uint8]) -> NDArray[np.float64]:
        started = time.perf_counter()
        scores = classifier.scores(batch)
        self._metrics.inference_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_size.observe(len(batch))
        return scores
