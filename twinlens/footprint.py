"""What a version costs: bytes of each export, as they are and gzipped, and milliseconds a photo on this machine."""

from __future__ import annotations

import gzip
import math
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from twinlens.classifier import Classifier
from twinlens.inference import available_threads
from twinlens.store import ModelVersion

ROUNDS: Final = 100
_WARM_UP: Final = 5
_PHOTOS: Final = 25
_GZIP_LEVEL: Final = 6  # what hosts compress with on the way


def export_sizes(version: ModelVersion) -> dict[str, dict[str, int]]:
    """The size of each export of a version.

    :return: for ``onnx`` and ``tfjs``: ``files``, ``bytes``, and ``gzip_bytes``, those of each file gzipped by itself
        at level 6.
    :raises TwinlensError: ``invalid_model`` if a file is missing or is not the contract's.
    """
    graphs = version.contract.graphs
    folder = PurePosixPath(graphs.tfjs.path).parent
    paths = {
        "onnx": [graphs.onnx.path],
        "tfjs": [file.path for file in version.contract.files if folder in PurePosixPath(file.path).parents],
    }
    sizes = {}
    for export, files in paths.items():
        data = [version.read(path) for path in files]
        zipped = sum(len(gzip.compress(each, _GZIP_LEVEL, mtime=0)) for each in data)
        sizes[export] = {"files": len(data), "bytes": sum(map(len, data)), "gzip_bytes": zipped}
    return sizes


def latencies(classifiers: Sequence[Classifier], photos: Sequence[Path], rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """How long each classifier takes for one photo, on ONNX Runtime, one photo at a time.

    The classifiers take turns, so that whatever else the machine does meanwhile falls on all of them alike.

    :param classifiers: at least one.
    :param photos: files of images that every classifier can read, at least one; at most 25 are used, again and again.
    :param rounds: how many photos each classifier is given.
    :return: for each classifier ``photo`` (from the bytes of a file to the scores: decode, resize, network) and
        ``network`` (the network alone), each with ``median_ms``, ``p95_ms`` and ``all_ms``, a list of ``rounds``.
    :raises TwinlensError: as :func:`twinlens.decode.decode` does.
    """
    step = math.ceil(len(photos) / _PHOTOS)  # from all over the list, which is often sorted by label
    data = [photo.read_bytes() for photo in photos[::step]]
    prepared: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)] * len(classifiers)
    calls: list[Callable[[int], object]] = []
    for index, classifier in enumerate(classifiers):

        def prepare(turn: int, index: int = index, classifier: Classifier = classifier) -> None:
            prepared[index] = classifier.pixels(classifier.read_header(data[turn % len(data)]))[None]

        def run(_: int, index: int = index, classifier: Classifier = classifier) -> None:
            classifier.scores(prepared[index])

        calls += [prepare, run]
    times = interleaved(calls, rounds)
    return [
        {"photo": summary(times[2 * i] + times[2 * i + 1]), "network": summary(times[2 * i + 1])}
        for i in range(len(classifiers))
    ]


def interleaved(calls: Sequence[Callable[[int], object]], rounds: int) -> NDArray[np.float64]:
    """Time calls that take turns, after a few that do not count.

    :param calls: what is timed; each is given the number of the round.
    :param rounds: how often each is called.
    :return: milliseconds, float64 of shape (calls, rounds).
    """
    for turn in range(_WARM_UP):
        for call in calls:
            call(turn)
    taken = np.zeros((len(calls), rounds))
    for turn in range(rounds):
        for index, call in enumerate(calls):
            start = time.perf_counter()
            call(turn)
            taken[index, turn] = (time.perf_counter() - start) * 1e3
    return taken


def machine() -> dict[str, Any]:
    """Where the milliseconds were measured: ``cores`` that this process may use, ``processor``, ``onnxruntime``."""
    return {
        "cores": available_threads(),
        "processor": processor(),
        "onnxruntime": onnxruntime.__version__,
    }


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def summary(milliseconds: NDArray[np.float64]) -> dict[str, Any]:
    """Times of several calls, float64 of shape (calls,), as ``median_ms``, ``p95_ms`` and ``all_ms``."""
    return {
        "median_ms": float(np.median(milliseconds)),
        "p95_ms": float(np.percentile(milliseconds, 95)),
        "all_ms": [round(float(value), 3) for value in milliseconds],
    }
