"""Run a converted graph model in Chromium and compare it with ONNX Runtime, before anyone is told that it works.

What TensorFlow's converter writes often fails only when TensorFlow.js runs it, on one backend or on all of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from browser.chromium import chromium
from browser.tfjs import BACKENDS, require_tfjs, run_graph_model
from training.progress import say
from twinlens.errors import TwinlensError
from twinlens.golden import relative_error


def require_browser() -> None:
    """See that there is a Chromium that starts, and TensorFlow.js, before minutes are spent on what they will check.

    :raises TwinlensError: ``missing_requirement`` if not.
    """
    require_tfjs()
    with chromium(webgl=True):
        pass


def check(
    files: Mapping[str, bytes],
    inputs: NDArray[np.uint8],
    expected: Mapping[str, NDArray[np.float32]],
    tolerance: float,
) -> dict[str, float]:
    """Run a graph model on wasm, webgl and cpu.

    :param files: the files of the graph model by name, ``model.json`` among them.
    :param inputs: uint8 array of shape (N, height, width, 3).
    :param expected: the outputs by name in the contract's order, each of N rows and in the layout of TensorFlow.js.
    :param tolerance: the largest ``max |difference| / max |expected|`` of an output.
    :return: the largest error by backend.
    :raises TwinlensError: ``export_mismatch`` naming the backend and what TensorFlow.js said, or the output and its
        error; ``missing_requirement`` without Chromium or TensorFlow.js.
    """
    errors: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="twinlens-check-") as name, chromium(webgl=True) as browser:
        folder = Path(name)
        for path, data in files.items():
            (folder / path).write_bytes(data)
        for backend in BACKENDS:
            say(f"Checking in Chromium, backend {backend}")
            # Plain JavaScript takes seconds for one input; one is also the batch that the page runs.
            count = 1 if backend == "cpu" else len(inputs)
            try:
                outputs = run_graph_model(browser, folder, inputs[:count], backend)
            except TwinlensError as error:
                if error.code != "export_mismatch":
                    raise
                raise _mismatch(backend, f"does not run: {said(error, folder)}") from None
            if list(outputs) != list(expected):
                raise _mismatch(backend, f"answers {', '.join(outputs)} instead of {', '.join(expected)}.")
            errors[backend] = max(
                _error(backend, output, outputs[output], wanted[:count], tolerance)
                for output, wanted in expected.items()
            )
    return errors


def said(error: TwinlensError, folder: Path) -> str:
    """What TensorFlow.js said, without the stack below it and the folder that is gone by now."""
    first = error.detail.partition("\n    at ")[0].replace(str(folder), "it")
    return first.rpartition("Error: ")[2].strip().rstrip(".") + "."


def _error(
    backend: str, output: str, found: NDArray[np.float32], wanted: NDArray[np.float32], tolerance: float
) -> float:
    if found.shape != wanted.shape:
        shapes = f"{list(found.shape)} instead of {list(wanted.shape)}"
        raise _mismatch(backend, f"gives {output} the shape {shapes}.")
    error = relative_error(found, wanted)
    if not error <= tolerance:
        raise _mismatch(
            backend, f"gives {output} that are off by {error:.1e} from ONNX Runtime's, at most {tolerance:g}."
        )
    return error


def _mismatch(backend: str, what: str) -> TwinlensError:
    return TwinlensError(
        "export_mismatch",
        f"TensorFlow's converter wrote a graph model that, on TensorFlow.js' {backend} backend, {what} "
        "Nothing was written.",
    )
