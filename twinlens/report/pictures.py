"""Photos inside a report: small JPEGs as ``data:`` addresses."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def thumbnail(pixels: NDArray[np.uint8], edge: int = 224, quality: int = 82) -> str:
    """A photo as the address of an image in the page.

    :param pixels: uint8 array of shape (height, width, 3), RGB.
    :param edge: the most pixels that its longer edge may have; a smaller one is not enlarged.
    :return: a ``data:image/jpeg`` address; nothing of the file that the pixels came from is in it but the pixels.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
