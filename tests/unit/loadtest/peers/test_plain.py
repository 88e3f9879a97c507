"""The tutorials' preprocessing sees the part of a picture that ours does, and nothing more is asked of it."""

import io

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from loadtest.peers.plain import MOST_LABELS, VERSION, Model, opened, resized
from tests import images, models
from twinlens.decode import Limits
from twinlens.preprocess import load


@pytest.fixture
def model(models_folder, monkeypatch):
    monkeypatch.setenv(VERSION, str(models_folder / models.NAME / models.VERSION))
    return Model()


@pytest.mark.parametrize("squeeze", [1.0, 1.25])
@pytest.mark.parametrize("size", [(160, 120), (120, 160), (200, 100), (90, 90), (400, 380)], ids=str)
def test_it_sees_the_same_part_of_the_picture(size, squeeze, model):
    resize = model.contract.resize.model_copy(update={"squeeze": squeeze})
    contract = model.contract.model_copy(update={"resize": resize})
    width, height = size
    ramps = np.stack(np.broadcast_arrays(np.linspace(0, 250, width), np.linspace(0, 250, height)[:, None], 99), -1)
    picture = Image.fromarray(ramps.astype(np.uint8))
    found = np.asarray(resized(picture, contract)).astype(int)
    assert found.shape == (models.SIZE, models.SIZE, 3)
    # Both ramps would be off by far more if the box were another one.
    assert np.abs(found - load(images.encoded(picture, "PNG"), contract, Limits())).max() <= 3


def test_the_picture_is_turned_upright():
    assert opened(io.BytesIO(images.oriented(6))).size == images.quadrants().size


@pytest.mark.parametrize("data", [b"", b"no image"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(UnidentifiedImageError):
        opened(io.BytesIO(data))


def test_the_answer_is_the_best_labels(model, classifier):
    logits = np.linspace(-3, 3, len(models.LABELS)).astype(np.float32)
    answer = model.answer(logits)["predictions"]
    assert [each["label"] for each in answer] == list(models.LABELS)[::-1][:MOST_LABELS]
    assert answer[0]["score"] == pytest.approx(np.exp(3) / np.exp(logits).sum(), rel=1e-5)
