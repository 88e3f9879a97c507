import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parity import photos as module
from parity.photos import (
    LARGE_BYTES,
    LARGE_SIZE,
    ORIENTATIONS,
    Photo,
    enlarge,
    find,
    large_copies,
    png_copies,
    samples,
    spread,
    with_headroom,
)
from tests import models
from twinlens.contract import Contract
from twinlens.decode import Limits, decode
from twinlens.errors import TwinlensError
from twinlens.store import open_current


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return open_current(models.write(tmp_path_factory.mktemp("models"))).contract


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, contract: Contract) -> list[Photo]:
    folder = tmp_path_factory.mktemp("photos")
    samples(folder)
    return find(folder, contract)[0]


def quarters(image: Image.Image) -> np.ndarray:
    """The mean colour of each quarter: enough to tell which way up a picture is."""
    return np.asarray(image.resize((2, 2), Image.Resampling.BOX), np.int16)


def test_photos_are_found_below_a_folder_and_the_rest_is_named(tmp_path: Path, contract: Contract) -> None:
    (tmp_path / "shirt").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "shirt" / "été 1.JPG", "JPEG")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "server only.tiff")
    (tmp_path / "notes.jpg").write_text("not a photo")
    (tmp_path / "empty.jpg").write_bytes(b"")
    photos, left_out = find(tmp_path, contract)
    assert [photo.name for photo in photos] == ["a.png", "shirt/été 1.JPG"]
    assert left_out == ["empty.jpg", "notes.jpg", "server only.tiff"]


def test_a_folder_without_photos_is_an_error(tmp_path: Path, contract: Contract) -> None:
    with pytest.raises(TwinlensError) as caught:
        find(tmp_path, contract)
    assert caught.value.code == "invalid_data"


def test_spread_takes_from_the_whole_list() -> None:
    photos = [Photo(str(index), Path(), {}) for index in range(10)]
    assert [photo.name for photo in spread(photos, 5)] == ["1", "3", "5", "7", "9"]
    assert len(spread(photos, 24)) == 24, "a photo may serve more than once"


def test_png_copies_are_opaque_8_bit_and_upright(tmp_path: Path, contract: Contract) -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:15, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    copies = list(png_copies([Photo("turned.jpg", path, {})] * 4, tmp_path, contract))
    assert [copy.facts["mode"] for copy in copies] == ["RGB", "RGB", "P", "L"]
    for copy in copies:
        with Image.open(copy.path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", copy.facts["mode"], (30, 40))
            assert not image.has_transparency_data and not image.getexif()
            assert quarters(image.convert("RGB"))[0, 1].min() > 200, "top left, turned clockwise, is top right"


def test_large_copies_are_what_a_phone_writes(made: list[Photo], tmp_path: Path, contract: Contract) -> None:
    copies = list(large_copies(made, 3, tmp_path, contract))
    assert [copy.facts["orientation"] for copy in copies] == list(ORIENTATIONS)
    for copy, source in zip(copies, spread(made, 3), strict=True):
        data = copy.path.read_bytes()
        assert LARGE_BYTES[0] <= len(data) <= LARGE_BYTES[1]
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == LARGE_SIZE
        upright = decode(data, with_headroom(contract, math.inf), Limits()).image
        width, height = upright.size
        assert (width > height) is (copy.facts["orientation"] == 1)
        original = Image.open(source.path)
        scale = min(original.width / width, original.height / height)
        box = (width * scale, height * scale)
        left, top = (original.width - box[0]) / 2, (original.height - box[1]) / 2
        same = original.convert("RGB").crop((round(left), round(top), round(left + box[0]), round(top + box[1])))
        assert np.abs(quarters(upright) - quarters(same)).max() <= 6, "upright, and the source's own centre"


def test_large_copies_have_detail_down_to_the_pixel(made: list[Photo]) -> None:
    size = (800, 600)
    with Image.open(made[0].path) as image:
        smooth = np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), np.float32)
        detailed = np.asarray(enlarge(image.convert("RGB"), size, seed=1), np.float32)
    steps = [np.abs(np.diff(pixels, axis=1)).mean() for pixels in (smooth, detailed)]
    assert steps[1] > 3 * steps[0] or steps[1] > 6


def test_the_same_seed_gives_the_same_detail() -> None:
    image = Image.new("RGB", (40, 30), (90, 120, 150))
    first, again, other = (np.asarray(enlarge(image, (160, 120), seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_size_that_cannot_be_reached_is_an_error(
    made: list[Photo], tmp_path: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGE_SIZE", (400, 300))
    with pytest.raises(ValueError, match="at quality"):
        list(large_copies(made, 1, tmp_path, contract, (400, 300)))
