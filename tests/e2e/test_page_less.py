"""Browsers that lack what the page is quick by, or have it otherwise: the same pixels, and the same answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import skimage
from PIL import Image
from playwright.sync_api import Browser

from tests.e2e import pictures
from tests.e2e.engine import SAME, Engine, open_page
from tests.e2e.visit import with_prelude

CLOTHING: Final = Path(__file__).parents[2] / "bentos" / "clothing"
COPY: Final = "const copy = VideoFrame.prototype.copyTo; VideoFrame.prototype.copyTo = async function (to, options) {"
BROWSERS: Final = {
    "without video frames": "delete self.VideoFrame;",
    "whose frames are small ones": "const { VideoFrame: Frame } = self; self.VideoFrame = class {"
    "constructor(bitmap, options) { if (bitmap.width > 64) throw new Error(); return new Frame(bitmap, options); } };",
    "whose frames change pixels": COPY + " await copy.call(this, to, options); to[0] ^= 1; };",
    "whose frames have no RGBA": COPY + " delete options.format; return copy.call(this, to, options); };",
    "without relaxed SIMD": "const { validate } = WebAssembly; const text = new TextDecoder('latin1');"
    "WebAssembly.validate = (code) => !text.decode(code).includes('multiply') && validate(code);",
    "without SIMD": "WebAssembly.validate = () => false;",
}

# A worker with a script before it is not the one whose digest a site names.
pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    """JPEGs: wide, high, and one that the browser turns."""
    coffee, rocket = (Image.fromarray(array) for array in (skimage.data.coffee(), skimage.data.rocket()))
    return [
        pictures.saved(coffee, "JPEG", quality=90),
        pictures.saved(rocket.rotate(90, expand=True), "JPEG", quality=90),
        pictures.saved(coffee, "JPEG", quality=90, exif=pictures.exif(6)),
    ]


@pytest.fixture(scope="module")
def answers(browser: Browser, dist: Path, photos: Sequence[bytes]) -> list[dict[str, Any]]:
    """Those of this browser, with everything that it has."""
    with open_page(browser, dist, CLOTHING) as visited, Engine(visited, "wasm") as asked:
        return [asked.classify(photo) for photo in photos]


@pytest.mark.parametrize("script", BROWSERS.values(), ids=BROWSERS)
def test_a_browser(
    browser: Browser,
    dist: Path,
    tmp_path: Path,
    photos: Sequence[bytes],
    answers: Sequence[dict[str, Any]],
    script: str,
) -> None:
    with (
        open_page(browser, with_prelude(dist, tmp_path, script), CLOTHING) as visited,
        Engine(visited, "wasm") as asked,
    ):
        for photo, expected in zip(photos, answers, strict=True):
            found = asked.classify(photo)
            assert found["inputSha256"] == expected["inputSha256"]
            assert np.abs(np.subtract(found["scores"], expected["scores"])).max() < SAME
