from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from tests import images
from twinlens.contract import Crop, Decode, Formats, Resize
from twinlens.decode import Decoded, Limits
from twinlens.preprocess import crop_box, load, prepare


@dataclass(frozen=True)
class Rules:
    formats: Formats
    decode: Decode
    resize: Resize
    crop: Crop


@pytest.fixture
def rules(classifier):
    def make(edge, height, width=None):
        contract = classifier.contract
        return Rules(
            contract.formats,
            contract.decode,
            contract.resize.model_copy(update={"shorter_edge": edge}),
            contract.crop.model_copy(update={"height": height, "width": width or height}),
        )

    return make


def triangle(samples, low, high, count):
    """One pass of Pillow's resampling over axis 0, as ``Resample.c`` says it: fixed point of 22 bits, rounded to 8.

    :param samples: int array (length, ...).
    :param low: left edge of the box; ``high`` its right edge.
    """
    scale = float(np.float32(high) - np.float32(low)) / count  # the only difference that is taken in float32
    low = float(np.float32(low))
    support = max(scale, 1.0)
    rows = []
    for index in range(count):
        center = low + (index + 0.5) * scale
        first, last = max(int(center - support + 0.5), 0), min(int(center + support + 0.5), len(samples))
        weights = np.maximum(0, 1 - np.abs((np.arange(first, last) - center + 0.5) * (1 / support)))
        fixed = np.floor(weights / sum(weights.tolist()) * (1 << 22) + 0.5).astype(np.int64)  # summed in their order
        total = np.tensordot(fixed, samples[first:last], (0, 0)) + (1 << 21)
        rows.append(np.clip(total >> 22, 0, 255))
    return np.stack(rows)


def reference(pixels, box, height, width):
    left, top, right, bottom = box
    columns = np.moveaxis(triangle(np.moveaxis(pixels.astype(np.int64), 1, 0), left, right, width), 0, 1)
    return triangle(columns, top, bottom, height).astype(np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "edge", "crop"),
    [
        (300, 200, 72, (64, 64)),
        (200, 300, 72, (64, 64)),
        (90, 701, 72, (64, 64)),
        (701, 90, 64, (64, 64)),
        (40, 31, 72, (64, 48)),
        (11, 400, 64, (64, 64)),
        (1, 1, 64, (64, 64)),
        (1, 90, 64, (32, 64)),
        (64, 64, 64, (64, 64)),
    ],
)
def test_the_resampling_is_the_one_that_is_written_down(width, height, edge, crop, rules):
    """Horizontal pass first, then vertical, each rounded to 8 bits, whatever order Pillow itself would choose."""
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = rules(edge, *crop)
    expected = reference(pixels, crop_box(width, height, found), *crop)
    assert np.array_equal(prepare(Decoded(Image.fromarray(pixels), width, height, 1, "png"), found), expected)


def test_a_scaled_jpeg_is_rounded_once(rules):
    """The same filter in floating point: no pass but the last rounds, and the box keeps the size before rounding up."""
    pixels = np.random.default_rng(5).integers(0, 256, (151, 201, 3), dtype=np.uint8)
    found = rules(72, 64)
    left, top, right, bottom = crop_box(200.5, 150.25, found)

    def passed(samples, low, high):
        scale = (high - low) / 64
        centers = low + (np.arange(64)[:, None] + 0.5) * scale
        weights = np.maximum(0, 1 - np.abs(np.arange(len(samples)) + 0.5 - centers) / scale)
        return np.tensordot(weights / weights.sum(1, keepdims=True), samples, (1, 0))

    columns = np.moveaxis(passed(np.moveaxis(pixels.astype(float), 1, 0), left, right), 0, 1)
    expected = passed(columns, top, bottom)
    prepared = prepare(Decoded(Image.fromarray(pixels), 200.5, 150.25, 4, "jpeg"), found)
    assert prepared.dtype == np.uint8
    assert np.abs(prepared - expected).max() <= 0.5 + 1e-3


def test_a_picture_of_the_resizes_size_is_only_cropped(rules):
    pixels = np.random.default_rng(1).integers(0, 256, (72, 72, 3), dtype=np.uint8)
    found = prepare(Decoded(Image.fromarray(pixels), 72, 72, 1, "png"), rules(72, 64))
    assert np.array_equal(found, pixels[4:68, 4:68])


@pytest.mark.parametrize(
    ("size", "edge", "crop", "box"),
    [
        ((200, 100), 100, (100, 100), (50, 0, 150, 100)),
        ((100, 200), 100, (100, 100), (0, 50, 100, 150)),
        ((200, 100), 50, (40, 40), (60, 10, 140, 90)),
        ((200, 100), 100, (50, 80), (60, 25, 140, 75)),
        ((250.75, 187.75), 64, (64, 64), (31.5, 0, 219.25, 187.75)),
    ],
)
def test_the_box_is_the_centre_of_the_whole_image(size, edge, crop, box, rules):
    assert crop_box(*size, rules(edge, *crop)) == box


@pytest.mark.parametrize(
    ("size", "squeeze", "box"),
    [
        ((200, 100), 1.5, (25, 0, 175, 100)),
        ((100, 200), 1.5, (0, 25, 100, 175)),
        ((120, 100), 1.5, (0, 0, 120, 100)),  # the whole photo is not as long as that
        ((100, 100), 1.5, (0, 0, 100, 100)),
    ],
)
def test_along_the_longer_edge_more_is_seen_and_squeezed(size, squeeze, box, rules):
    found = rules(64, 64)
    found = replace(found, resize=found.resize.model_copy(update={"squeeze": squeeze}))
    assert crop_box(*size, found) == box
    assert prepare(Decoded(Image.new("RGB", size), *size, 1, "png"), found).shape == (64, 64, 3)


def test_load_goes_all_the_way(classifier):
    pixels = load(images.encoded(images.quadrants(), "PNG"), classifier.contract, Limits())
    assert (pixels.shape, pixels.dtype) == ((64, 64, 3), np.uint8)
    assert [tuple(pixels[y, x]) for y in (8, 56) for x in (8, 56)] == list(images.QUADRANTS)


def test_orientation_and_scaled_decoding_end_at_nearly_the_same_input(classifier):
    """A large photo of which each orientation was stored gives one input, within the decoder's rounding."""
    inputs = [
        load(images.oriented(turn, "JPEG", 1003, 751), classifier.contract, Limits()).astype(int)
        for turn in range(1, 9)
    ]
    assert max(np.abs(found - inputs[0]).mean() for found in inputs) < 1
