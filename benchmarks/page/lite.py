"""The shipped network as .tflite files, by the official route's environment, and what LiteRT answers with them."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from training.official.environment import VARIABLES
from training.official.route import complaint, to_tflite
from twinlens.errors import TwinlensError
from twinlens.isolated import Environment

_ANSWERS: Final = Path(__file__).with_name("lite_answers.py")
# Of onnx2tf's forms: the page gives float32 and wants float32 back, and 16-bit activations save no bytes.
_FORMS: Final = ("float32", "float16", "dynamic_range_quant", "integer_quant")


def candidates(
    model: onnx.ModelProto, environment: Environment, images: NDArray[np.float32] | None
) -> dict[str, bytes]:
    """Every .tflite that LiteRT's documentation knows of and onnx2tf makes, by its form.

    :param model: the float32 network of :mod:`benchmarks.page.graphs`.
    :param images: what the integer form is calibrated on, of shape (N, 3, height, width); without it there is none.
    :raises TwinlensError: ``unsupported_operation`` as :func:`training.official.route.to_tflite` does.
    """
    made = to_tflite(model, environment, None if images is None else images.transpose(0, 2, 3, 1))
    return {form: made[form] for form in _FORMS if form in made}


def answers(model: bytes, environment: Environment, images: NDArray[np.float32]) -> NDArray[np.int64]:
    """The index of the best label of each image, by LiteRT's interpreter in the environment.

    :param images: of shape (N, 3, height, width).
    :raises TwinlensError: ``unsupported_operation`` with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="twinlens-lite-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(model)
        np.save(folder / "images.npy", images.transpose(0, 2, 3, 1))
        done = subprocess.run(
            [str(environment.python), "-I", str(_ANSWERS), str(folder)],
            env=environment.variables() | VARIABLES,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise TwinlensError("unsupported_operation", f"LiteRT: {complaint(done.stdout, done.returncode)}")
        return np.asarray(np.load(folder / "answers.npy"), np.int64)
