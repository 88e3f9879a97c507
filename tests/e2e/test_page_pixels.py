"""Same photo, same pixels, same answer: the page against twinlens' own decoding, preprocessing and ONNX Runtime."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image
from playwright.sync_api import Browser

from tests import models
from tests.e2e import pictures
from tests.e2e.visit import Visit, file, scores, top_label, visit, with_prelude
from twinlens import golden, store
from twinlens.decode import Limits
from twinlens.golden import input_sha256
from twinlens.inference import Network
from twinlens.preprocess import load

ROOT = Path(__file__).parents[2]
# The network's sums differ in their last bits from one runtime to the other.
SAME = 1e-4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made model, with transparent pixels laid on a colour on which a premultiplied canvas would show."""
    decode = models.write(tmp_path_factory.mktemp("plain"))
    rules = store.open_current(decode).contract.decode.model_dump() | {"alpha_background": (77, 130, 19)}
    return models.write(tmp_path_factory.mktemp("models"), decode=rules)


@pytest.fixture(scope="module")
def open_page(browser: Browser, dist: Path, model: Path) -> Iterator[Visit]:
    with visit(browser, dist, model) as visited:
        visited.wait_until_ready()
        yield visited


@pytest.fixture(scope="module")
def network(model: Path) -> Network:
    return Network(store.open_current(model))


@pytest.mark.parametrize("name", pictures.lossless())
def test_lossless_files_become_the_same_tensor(open_page: Visit, network: Network, name: str) -> None:
    data = pictures.lossless()[name]()
    pixels = load(data, network.contract, Limits())
    (result,) = open_page.give([file(name, data)])
    assert result.get_attribute("data-error") is None
    assert result.get_attribute("data-input-sha256") == input_sha256(pixels)
    assert np.abs(scores(result) - network.scores(pixels[None])[0]).max() < SAME


@pytest.mark.parametrize("name", pictures.lossy())
def test_lossy_files_get_the_same_answer(open_page: Visit, network: Network, name: str) -> None:
    data = pictures.lossy()[name]()
    expected = network.scores(load(data, network.contract, Limits())[None])[0]
    (result,) = open_page.give([file(name, data)])
    assert np.abs(scores(result) - expected).max() < network.contract.golden.tolerances.score_lossy


NO_WEBGL = """
OffscreenCanvas.prototype.getContext = new Proxy(OffscreenCanvas.prototype.getContext, {
  apply: (get, canvas, [kind, options]) => (kind === 'webgl2' ? null : get.call(canvas, kind, options)),
});
"""


@pytest.mark.parametrize(("background", "identical"), [((255, 255, 255), True), ((77, 130, 19), False)])
def test_transparent_pixels_without_webgl(
    browser: Browser, dist: Path, tmp_path: Path, background: tuple[int, int, int], identical: bool
) -> None:
    """A canvas premultiplies and so rounds twice: within 1 on most backgrounds, exact on white, which ships."""
    rules = store.open_current(models.write(tmp_path / "plain")).contract.decode.model_dump()
    model = models.write(tmp_path / "models", decode=rules | {"alpha_background": background})
    network = Network(store.open_current(model))
    data = pictures.lossless()["rgba.png"]()
    pixels = load(data, network.contract, Limits())
    with visit(browser, with_prelude(dist, tmp_path, NO_WEBGL), model) as visited:
        (result,) = visited.give([file("rgba.png", data)])
        assert (result.get_attribute("data-input-sha256") == input_sha256(pixels)) is identical
        expected = network.scores(pixels[None])[0]
        assert np.abs(scores(result) - expected).max() < network.contract.golden.tolerances.score_lossy


PHOTOS = ["astronaut", "chelsea", "coffee", "rocket", "camera", "text"]


def test_photos_get_the_scores_of_the_shipped_model(browser: Browser, dist: Path) -> None:
    folder = ROOT / "bentos" / "clothing"
    network = Network(store.open_current(folder))
    arrays = [getattr(skimage.data, name)() for name in PHOTOS]
    files = [pictures.saved(Image.fromarray(array), "PNG") for array in arrays]
    jpegs = [pictures.saved(Image.fromarray(array), "JPEG", quality=90) for array in arrays]
    with visit(browser, dist, folder) as visited:
        given = [file(f"{index}", data) for index, data in enumerate([*files, *jpegs])]
        results = visited.give(given)
        for data, result in zip(files, results, strict=False):
            pixels = load(data, network.contract, Limits())
            expected = network.scores(pixels[None])[0]
            assert result.get_attribute("data-input-sha256") == input_sha256(pixels)
            assert np.abs(scores(result) - expected).max() < SAME
            assert top_label(result) == network.contract.label_names[int(expected.argmax())]
        for data, result in zip(jpegs, results[len(files) :], strict=True):
            expected = network.scores(load(data, network.contract, Limits())[None])[0]
            assert np.abs(scores(result) - expected).max() < network.contract.golden.tolerances.score_lossy


def test_the_shipped_golden_cases_hold_in_the_page(browser: Browser, dist: Path) -> None:
    folder = ROOT / "bentos" / "clothing"
    version = store.open_current(folder)
    cases = list(golden.cases(version))
    assert cases
    with visit(browser, dist, folder) as visited:
        results = visited.give([file(case.name, version.read(case.image)) for case in cases])
        for case, result in zip(cases, results, strict=True):
            assert result.get_attribute("data-input-sha256") == case.input_sha256


def test_the_golden_answers_of_the_page_s_parts_are_fresh() -> None:
    """web/tests holds the ports to files that Python wrote; they must be what Python would write now."""
    command = [sys.executable, str(ROOT / "web" / "tests" / "golden" / "make.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
