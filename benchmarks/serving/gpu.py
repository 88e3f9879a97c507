"""The network alone on a GPU: what batching gives there, in batches of 1 to 64 images.

Our own environment has the ONNX Runtime for CPUs, which a GPU's would replace. So where ``nvidia-smi`` names a GPU, an
environment of its own is made (see :mod:`twinlens.isolated`), and ``python -m benchmarks.serving.gpu`` measures in it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from benchmarks.process import FAILED, answer, step
from benchmarks.results import ROOT, significant
from twinlens import isolated
from twinlens.errors import TwinlensError
from twinlens.footprint import interleaved
from twinlens.isolated import Recipe
from twinlens.store import ModelVersion, open_version

PROVIDER: Final = "CUDAExecutionProvider"
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
RECIPE: Final = Recipe("gpu", "the environment for GPUs", ROOT / "requirements" / "gpu.txt", "about 2 GB", 8.0)
_ROUNDS: Final = 50
_ASK_SECONDS: Final = 30
_LIMIT_SECONDS: Final = 900.0


def measure(
    version: ModelVersion, cache: Path | None = None, *, provider: str = PROVIDER, rounds: int = _ROUNDS
) -> list[dict[str, Any]] | str:
    """Time the network on this machine's GPU, if it has one.

    :param cache: folder that keeps environments; :func:`twinlens.isolated.default_cache` by default.
    :param provider: the execution provider of ONNX Runtime.
    :param rounds: how often a batch of each size is run.
    :return: for each size ``device`` (its name), ``batch``, ``ms`` (the median of one run, copies to the GPU and back
        included), ``photos_per_second``, and ``vs_single``, that over the same images one by one; or why nothing was
        measured.
    """
    device = name()
    if device is None:
        return "not measured: nvidia-smi finds no GPU on this machine"
    try:
        environment = isolated.prepare(RECIPE, cache)
    except TwinlensError as error:  # the servers were measured all the same
        sys.stderr.write(f"{error}\n")
        return f"not measured: the environment for GPUs could not be made ({error.code})"
    arguments = [str(version.path.absolute()), provider, str(rounds)]
    found = step("benchmarks.serving.gpu", arguments, _LIMIT_SECONDS, environment)
    if FAILED in found:
        return f"not measured: {found[FAILED]}"
    return [{"device": device, **row} for row in found["batches"]]


def name() -> str | None:
    """The name of this machine's first NVIDIA GPU; None without one."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return said.strip().partition("\n")[0] or None


def main(version: Path, provider: str, rounds: int) -> dict[str, Any]:
    """Time the network in this process: ``batches``, or ``failed`` and why."""
    try:
        return _timed(open_version(version), provider, rounds)
    except TwinlensError as error:
        return {FAILED: error.detail}


def _timed(version: ModelVersion, provider: str, rounds: int) -> dict[str, Any]:
    offered = ort.get_available_providers()
    graph = version.contract.graphs.onnx
    if provider in offered:
        if provider == PROVIDER:
            ort.preload_dlls()  # CUDA and cuDNN lie in this environment, where the loader does not look
        session = ort.InferenceSession(version.read(graph.path), providers=[provider])
        offered = session.get_providers()  # without a GPU that works, it has quietly taken another one
    if provider not in offered:
        what = provider.removesuffix("ExecutionProvider")
        return {FAILED: f"no {what} provider that works in ONNX Runtime {ort.__version__}"}
    shape = [size for size in graph.input.shape if size is not None]  # the batch's is open
    rng = np.random.default_rng(0)

    def run(pixels: NDArray[np.uint8], _: int) -> None:
        session.run([graph.logits.name], {graph.input.name: pixels})

    calls: list[Callable[[int], object]] = [
        partial(run, rng.integers(0, 256, (batch, *shape), dtype=np.uint8)) for batch in BATCHES
    ]
    medians = np.median(interleaved(calls, rounds), axis=1)
    rates = [1e3 * batch / ms for batch, ms in zip(BATCHES, medians, strict=True)]
    rows = [
        {
            "batch": batch,
            "ms": significant(float(ms)),
            "photos_per_second": significant(float(rate)),
            "vs_single": significant(float(rate / rates[0])),
        }
        for batch, ms, rate in zip(BATCHES, medians, rates, strict=True)
    ]
    return {"batches": rows}


if __name__ == "__main__":
    answer(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
