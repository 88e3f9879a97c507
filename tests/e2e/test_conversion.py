"""Every network that converts gives PyTorch's answer on every backend of stock TensorFlow.js, in a real Chromium.

The large ones lie in files of their own, so that test processes can share them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from browser.chromium import chromium
from browser.tfjs import BACKENDS, Backend, run_graph_model
from tests.e2e.conversion import Converted, assert_answers_as_pytorch, assert_the_batch_is_dynamic, convert
from tests.unit.training.networks import SIZE
from twinlens.errors import TwinlensError

NETWORKS = [
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True) as started:
        yield started


@pytest.fixture(scope="module", params=NETWORKS)
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return convert(request.param, SIZE[0], tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("backend", BACKENDS)
def test_tfjs_answers_as_pytorch_does(browser: Browser, converted: Converted, backend: Backend) -> None:
    assert_answers_as_pytorch(browser, converted, backend)


def test_the_batch_is_dynamic(browser: Browser, converted: Converted) -> None:
    assert_the_batch_is_dynamic(browser, converted)


def test_a_graph_that_does_not_load_is_an_error_with_the_reason(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": "graph-model"}', encoding="utf-8")
    with pytest.raises(TwinlensError, match=r"TensorFlow\.js cannot run") as caught:
        run_graph_model(browser, tmp_path, np.zeros((1, 8, 8, 3), np.uint8), "wasm")
    assert caught.value.code == "export_mismatch"
