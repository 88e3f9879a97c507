"""``python -m benchmarks.convert.make NETWORK FOLDER``: the ONNX graph that both routes get, and PyTorch's answers.

The weights are random, the statistics those of real activations (``training.settled``), rounded to float16 as an export
does by default. ``FOLDER`` gets ``model.onnx`` (float32 initializers), ``pixels.npy`` and ``logits.npy``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.convert.runs import GRAPH, LOGITS, PIXELS
from benchmarks.convert.selection import pixels_of
from benchmarks.process import FAILED, answer
from training.deploy import deploy
from training.onnx_graph import to_onnx
from training.rules import standard
from training.settled import answers, noise, settled
from twinlens.errors import TwinlensError

LABELS: Final = 10
_SETTLED_ON: Final = 4
_COMPARED_ON: Final = 2


def make(name: str, folder: Path) -> None:
    """Write the three files.

    :raises TwinlensError: ``unsupported_operation`` if the network cannot be deployed or exported to ONNX.
    """
    size = (pixels_of(name), pixels_of(name))
    normalize = standard().normalize
    network = settled(name, LABELS, noise(_SETTLED_ON, *size), normalize)
    deployed = deploy(network, size, normalize, "float16")
    (folder / GRAPH).write_bytes(to_onnx(deployed, size).SerializeToString())
    pixels = noise(_COMPARED_ON, *size)
    np.save(folder / PIXELS, pixels.numpy())
    np.save(folder / LOGITS, answers(deployed, pixels)["logits"])


if __name__ == "__main__":
    try:
        make(sys.argv[1], Path(sys.argv[2]))
        answer({})
    except TwinlensError as error:
        answer({FAILED: error.detail})
