import base64
import io

import numpy as np
from PIL import Image

from tests import models
from twinlens.report.pictures import thumbnail


def opened(address):
    kind, data = address.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_thumbnail_is_a_small_jpeg_of_the_photo():
    image = opened(thumbnail(np.asarray(models.picture("red", 300, 200)), 100))
    assert image.format == "JPEG"
    assert image.size == (100, 67)
    red, green, blue = np.asarray(image).reshape(-1, 3).mean(axis=0)
    assert red > 200 > 60 > max(green, blue)


def test_a_small_photo_is_not_enlarged():
    assert opened(thumbnail(np.asarray(models.picture("red", 40, 30)))).size == (40, 30)
