"""VGG-16, which takes as long as all other large networks together; a file of its own, for another test process."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from browser.chromium import chromium
from browser.tfjs import BACKENDS, Backend
from tests.e2e.conversion import Converted, assert_answers_as_pytorch, convert

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(webgl=True) as started:
        yield started


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return convert("vgg16", 224, tmp_path_factory.mktemp("vgg16"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_tfjs_answers_as_pytorch_does(browser: Browser, converted: Converted, backend: Backend) -> None:
    assert_answers_as_pytorch(browser, converted, backend)
