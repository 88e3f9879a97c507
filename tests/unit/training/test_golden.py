import io
import json

import numpy as np
from PIL import Image

from training.golden import FILE, make, pictures
from training.rules import standard
from twinlens.golden import input_sha256


def test_the_pictures_are_the_same_every_time_and_cover_what_matters() -> None:
    assert dict(pictures()) == dict(pictures())
    images = {name: Image.open(io.BytesIO(data)) for name, data in pictures()}
    assert {image.mode for image in images.values()} == {"RGB", "RGBA"}
    assert any(min(image.size) < 64 for image in images.values())
    assert any(min(image.size) > 224 for image in images.values())
    assert any(image.width > 10 * image.height for image in images.values())
    assert sum(len(data) for _, data in pictures()) < 400_000


def test_the_files_hold_the_answers_of_the_reference() -> None:
    files, inputs = make(standard(64, 48), lambda pixels: pixels.reshape(len(pixels), -1)[:, :3].astype(np.float32))
    cases = json.loads(files[FILE])["cases"]
    assert inputs.shape == (len(cases), 48, 48, 3)
    for case, pixels in zip(cases, inputs, strict=True):
        assert case["input_sha256"] == input_sha256(pixels)
        assert case["logits"] == [float(value) for value in pixels[0, 0]]
        assert files[case["image"]].startswith(b"\x89PNG")
