"""The network alone on a GPU: what batching gives there, in batches of 1 to 64 images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from benchmarks.results import significant
from twinlens.footprint import interleaved
from twinlens.store import ModelVersion

PROVIDER: Final = "CUDAExecutionProvider"
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
_ROUNDS: Final = 50


def measure(version: ModelVersion, provider: str = PROVIDER, rounds: int = _ROUNDS) -> list[dict[str, Any]] | str:
    """Time the network on an execution provider of ONNX Runtime, the sizes of the batches in turns.

    :param rounds: how often a batch of each size is run.
    :return: for each size ``batch``, ``ms`` (the median of one run, copies to the GPU and back included),
        ``photos_per_second``, and ``vs_single``, that over the same images one by one; or why nothing was measured.
    :raises TwinlensError: ``invalid_model`` as :meth:`twinlens.store.ModelVersion.read` does.
    """
    offered = ort.get_available_providers()
    graph = version.contract.graphs.onnx
    if provider in offered:
        session = ort.InferenceSession(version.read(graph.path), providers=[provider])
        offered = session.get_providers()  # without a GPU that works, it has quietly taken another one
    if provider not in offered:
        what = provider.removesuffix("ExecutionProvider")
        return f"not measured: no {what} provider that works in ONNX Runtime {ort.__version__}"
    shape = [size for size in graph.input.shape if size is not None]  # the batch's is open
    rng = np.random.default_rng(0)

    def run(pixels: NDArray[np.uint8], _: int) -> None:
        session.run([graph.logits.name], {graph.input.name: pixels})

    calls: list[Callable[[int], object]] = [
        partial(run, rng.integers(0, 256, (batch, *shape), dtype=np.uint8)) for batch in BATCHES
    ]
    medians = np.median(interleaved(calls, rounds), axis=1)
    rates = [1e3 * batch / ms for batch, ms in zip(BATCHES, medians, strict=True)]
    return [
        {
            "batch": batch,
            "ms": significant(float(ms)),
            "photos_per_second": significant(float(rate)),
            "vs_single": significant(float(rate / rates[0])),
        }
        for batch, ms, rate in zip(BATCHES, medians, rates, strict=True)
    ]
