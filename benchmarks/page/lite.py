"""The shipped network as .tflite files, by the official route's environment, and what LiteRT answers with them."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from training.official import environment as official
from training.official.route import complaint, to_tflite
from twinlens.errors import TwinlensError

_ANSWERS: Final = Path(__file__).with_name("lite_answers.py")
# Of onnx2tf's forms: the page gives float32 and wants float32 back, and 16-bit activations save no bytes.
_FORMS: Final = ("float32", "float16", "dynamic_range_quant", "integer_quant")


class Files:
    """Candidates for the weights of LiteRT's page.

    :param model: the float32 network of :mod:`benchmarks.page.graphs`.
    :param cache: folder that keeps the official route's environment, which is made when it is first needed.
    """

    def __init__(self, model: onnx.ModelProto, cache: Path | None) -> None:
        self._model = model
        self._cache = cache

    def candidates(self, calibration: NDArray[np.float32] | None, only: str | None = None) -> dict[str, bytes]:
        """The files by onnx2tf's names for them.

        :param calibration: images of shape (N, 3, height, width) for the integer form; without them there is none.
        :param only: the one that is wanted; onnx2tf makes all of them at once.
        :raises TwinlensError: as :func:`training.official.environment.prepare` and
            :func:`training.official.route.to_tflite` do.
        """
        images = None if calibration is None else calibration.transpose(0, 2, 3, 1)
        made = to_tflite(self._model, official.prepare(self._cache), images)
        return {form: made[form] for form in _FORMS if form in made and only in (None, form)}

    def answers(self, data: bytes, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """The index of the best label of each image, by LiteRT's interpreter.

        :param data: a .tflite file.
        :param images: of shape (N, 3, height, width).
        :raises TwinlensError: ``unsupported_operation`` with what it said.
        """
        environment = official.prepare(self._cache)
        with tempfile.TemporaryDirectory(prefix="twinlens-lite-") as name:
            folder = Path(name)
            (folder / "model.tflite").write_bytes(data)
            np.save(folder / "images.npy", images.transpose(0, 2, 3, 1))
            done = subprocess.run(
                [str(environment.python), "-I", str(_ANSWERS), str(folder)],
                env=environment.variables() | official.VARIABLES,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode != 0:
                said = complaint(done.stdout, done.returncode)
                raise TwinlensError("unsupported_operation", f"LiteRT cannot run its weights: {said}")
            return np.asarray(np.load(folder / "answers.npy"), np.int64)
