"""A network made, converted and answered on one of TensorFlow.js's backends: what the tests of conversion share."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from playwright.sync_api import Browser

from browser.tfjs import Backend, run_graph_model
from tests.unit.training.networks import LABELS, NORMALIZE, SIZE
from training.deploy import deploy
from training.onnx_graph import OUTPUTS, encode, to_onnx
from training.settled import answers, noise, settled
from training.tfjs.files import write_tfjs
from twinlens.golden import relative_error

# The largest of 131,072 numbers of a feature map may differ more than the largest of 10 logits: in a random Inception,
# rounding alone takes PyTorch in float32 1.5e-4 from PyTorch in float64.
TOLERANCES = {"logits": 1e-4, "embedding": 5e-4, "features": 5e-4}


class Converted(NamedTuple):
    """A folder with a graph model, two pictures' pixels, and PyTorch's answers with the same rounded weights."""

    folder: Path
    pixels: np.ndarray
    expected: dict[str, np.ndarray]


def convert(name: str, side: int, folder: Path) -> Converted:
    """Convert a network of random weights into a folder."""
    network = settled(name, LABELS, noise(16 if side == SIZE[0] else 4, side, side), NORMALIZE)
    deployed = deploy(network, (side, side), NORMALIZE, "float16")
    pixels = noise(2, side, side)
    model = to_onnx(deployed, (side, side))
    for path, data in write_tfjs(model, encode(model)[1]).items():
        (folder / path).write_bytes(data)
    return Converted(folder, pixels.numpy(), answers(deployed, pixels))


def assert_answers_as_pytorch(browser: Browser, converted: Converted, backend: Backend) -> None:
    """Every output, within its tolerance."""
    folder, pixels, expected = converted
    count = len(pixels) if backend == "wasm" else 1  # plain JavaScript, and WebGL in software, take seconds for each
    outputs = run_graph_model(browser, folder, pixels[:count], backend)
    assert list(outputs) == list(OUTPUTS)
    for output, reference in expected.items():
        assert outputs[output].shape == reference[:count].shape
        assert relative_error(outputs[output], reference[:count]) <= TOLERANCES[output]


def assert_the_batch_is_dynamic(browser: Browser, converted: Converted) -> None:
    """One picture alone gives what it gave among two."""
    folder, pixels, expected = converted
    one = run_graph_model(browser, folder, pixels[1:], "wasm")
    assert one["logits"].shape[0] == 1
    assert relative_error(one["logits"], expected["logits"][1:]) <= 1e-4
