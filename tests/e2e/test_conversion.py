"""Every network that converts gives PyTorch's answer on every backend of stock TensorFlow.js, in a real Chromium."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from browser.chromium import chromium
from browser.tfjs import BACKENDS, Backend, run_graph_model
from tests.unit.training.networks import LABELS, NORMALIZE, SIZE
from training.deploy import deploy
from training.onnx_graph import OUTPUTS, encode, to_onnx
from training.settled import answers, noise, settled
from training.tfjs.files import write_tfjs
from twinlens.errors import TwinlensError
from twinlens.golden import relative_error

# The largest of 131,072 numbers of a feature map may differ more than the largest of 10 logits: in a random Inception,
# rounding alone takes PyTorch in float32 1.5e-4 from PyTorch in float64.
TOLERANCES = {"logits": 1e-4, "embedding": 5e-4, "features": 5e-4}
# Small ones at the size of the tests, large ones at the size that they were made for.
SMALL = [
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "resnet18",
    "squeezenet1_1",
    "shufflenet_v2_x1_0",
    "mnasnet1_0",
    "regnet_y_400mf",
]
LARGE = {
    "efficientnet_v2_s": 224,
    "resnet50": 224,
    "resnext50_32x4d": 224,
    "vgg16": 224,
    "convnext_tiny": 224,
    "densenet121": 224,
    "googlenet": 224,
    "inception_v3": 299,
}
NETWORKS = [
    *((name, SIZE[0]) for name in SMALL),
    *(pytest.param((name, size), marks=pytest.mark.heavy) for name, size in LARGE.items()),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True) as started:
        yield started


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network[0])
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A folder with the graph model, pixels, and PyTorch's answers with the same rounded weights."""
    name, side = request.param
    network = settled(name, LABELS, noise(16 if side == SIZE[0] else 4, side, side), NORMALIZE)
    deployed = deploy(network, (side, side), NORMALIZE, "float16")
    pixels = noise(2, side, side)
    model = to_onnx(deployed, (side, side))
    folder = tmp_path_factory.mktemp(name)
    for path, data in write_tfjs(model, encode(model)[1]).items():
        (folder / path).write_bytes(data)
    return folder, pixels.numpy(), answers(deployed, pixels)


@pytest.mark.parametrize("backend", BACKENDS)
def test_tfjs_answers_as_pytorch_does(browser: Browser, converted, backend: Backend) -> None:
    folder, pixels, expected = converted
    count = len(pixels) if backend == "wasm" else 1  # plain JavaScript, and WebGL in software, take seconds for each
    outputs = run_graph_model(browser, folder, pixels[:count], backend).outputs
    assert list(outputs) == list(OUTPUTS)
    for name, reference in expected.items():
        assert outputs[name].shape == reference[:count].shape
        assert relative_error(outputs[name], reference[:count]) <= TOLERANCES[name]


def test_the_batch_is_dynamic(browser: Browser, converted) -> None:
    folder, pixels, expected = converted
    one = run_graph_model(browser, folder, pixels[1:], "wasm").outputs
    assert one["logits"].shape[0] == 1
    assert relative_error(one["logits"], expected["logits"][1:]) <= 1e-4


def test_a_graph_that_does_not_load_is_an_error_with_the_reason(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": "graph-model"}', encoding="utf-8")
    with pytest.raises(TwinlensError, match=r"TensorFlow\.js cannot run") as caught:
        run_graph_model(browser, tmp_path, np.zeros((1, 8, 8, 3), np.uint8), "wasm")
    assert caught.value.code == "export_mismatch"
