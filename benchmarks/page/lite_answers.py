"""``python lite_answers.py FOLDER``: LiteRT's answers, in the environment of the official route, which has no Twinlens.

``FOLDER`` holds ``model.tflite`` and ``images.npy``, float32 of shape (N, height, width, 3), and gets ``answers.npy``,
the index of the best label of each.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    """Answer every image."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(folder / "model.tflite"))
    interpreter.allocate_tensors()
    (given,), (told,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for image in np.load(folder / "images.npy"):
        interpreter.set_tensor(given["index"], image[np.newaxis])
        interpreter.invoke()
        found.append(int(interpreter.get_tensor(told["index"])[0].argmax()))
    np.save(folder / "answers.npy", np.asarray(found, np.int64))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
