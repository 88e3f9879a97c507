"""Every network that converts gives PyTorch's answer on every backend of stock TensorFlow.js, in a real Chromium."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser

from browser.chromium import chromium
from browser.tfjs import BACKENDS, Backend, run_graph_model
from tests.unit.training.networks import NORMALIZE, SIZE, settled
from training.deploy import deploy
from training.onnx_graph import OUTPUTS, encode, to_onnx
from training.tfjs.files import write_tfjs
from twinlens.errors import TwinlensError
from twinlens.golden import relative_error

NETWORKS = ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "resnet18"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True) as started:
        yield started


@pytest.fixture(scope="module", params=NETWORKS)
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A folder with the graph model, pixels, and PyTorch's answers with the same rounded weights."""
    network, pixels = settled(request.param)
    deployed = deploy(network, SIZE, NORMALIZE, "float16")
    with torch.inference_mode():
        logits, embedding, features = deployed(pixels)
    expected = {"logits": logits, "embedding": embedding, "features": features.permute(0, 2, 3, 1)}
    model = to_onnx(deployed, SIZE)
    folder = tmp_path_factory.mktemp(request.param)
    for name, data in write_tfjs(model, encode(model)[1]).items():
        (folder / name).write_bytes(data)
    return folder, pixels.numpy(), {name: value.numpy() for name, value in expected.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_tfjs_answers_as_pytorch_does(browser: Browser, converted, backend: Backend) -> None:
    folder, pixels, expected = converted
    outputs = run_graph_model(browser, folder, pixels, backend).outputs
    assert list(outputs) == list(OUTPUTS)
    for name, reference in expected.items():
        assert outputs[name].shape == reference.shape
        assert relative_error(outputs[name], reference) <= 1e-4


def test_the_batch_is_dynamic(browser: Browser, converted) -> None:
    folder, pixels, expected = converted
    one = run_graph_model(browser, folder, pixels[:1], "wasm").outputs
    assert one["logits"].shape[0] == 1
    assert relative_error(one["logits"], expected["logits"][:1]) <= 1e-4


def test_a_graph_that_does_not_load_is_an_error_with_the_reason(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": "graph-model"}', encoding="utf-8")
    with pytest.raises(TwinlensError, match=r"TensorFlow\.js cannot run") as caught:
        run_graph_model(browser, tmp_path, np.zeros((1, 8, 8, 3), np.uint8), "wasm")
    assert caught.value.code == "export_mismatch"
