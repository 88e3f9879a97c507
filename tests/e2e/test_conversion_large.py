"""Large networks give PyTorch's answer on every backend too.

Smaller pictures than they were made for: TensorFlow.js in plain JavaScript takes minutes for those, and the operations
are the same. ``make bench-convert`` runs every network at its own size.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from browser.chromium import chromium
from browser.tfjs import BACKENDS, Backend
from tests.e2e.conversion import Converted, assert_answers_as_pytorch, assert_the_batch_is_dynamic, convert

pytestmark = pytest.mark.heavy

NETWORKS = {
    "efficientnet_v2_s": 128,
    "resnet50": 128,
    "resnext50_32x4d": 128,
    "convnext_tiny": 128,
    "densenet121": 128,
    "googlenet": 128,
    "inception_v3": 171,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True) as started:
        yield started


@pytest.fixture(scope="module", params=NETWORKS)
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return convert(request.param, NETWORKS[request.param], tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("backend", BACKENDS)
def test_tfjs_answers_as_pytorch_does(browser: Browser, converted: Converted, backend: Backend) -> None:
    assert_answers_as_pytorch(browser, converted, backend)


def test_the_batch_is_dynamic(browser: Browser, converted: Converted) -> None:
    assert_the_batch_is_dynamic(browser, converted)
