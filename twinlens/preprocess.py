"""From upright RGB pixels to the network's uint8 input: one centred box, resampled once.

The resampling is Pillow's separable triangle filter (``ImagingResample`` in its ``src/libImaging/Resample.c``), the
horizontal pass always first. ``web/src/resample.ts`` is its port; golden tensors hold the two together, bit for bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinlens.contract import Rules
from twinlens.decode import Decoded, Limits, decode

Box = tuple[float, float, float, float]


def crop_box(width: float, height: float, rules: Rules) -> Box:
    """The centred part of an image that the network sees, in pixels of that image.

    It is what "resize the shorter edge, then crop the centre" keeps, without rounding the resized size to whole
    pixels; that also spares resampling what is cropped away. Along the longer edge it may be longer, and is then
    squeezed: docs/decisions/012-squeeze.md.

    :param width: width of the upright image in pixels.
    :param height: its height.
    :return: left, top, right, bottom.
    """
    scale = min(width, height) / rules.resize.shorter_edge
    box_width, box_height = rules.crop.width * scale, rules.crop.height * scale
    if width > height:
        box_width *= rules.resize.squeeze
    else:
        box_height *= rules.resize.squeeze
    left, top = max((width - box_width) / 2, 0.0), max((height - box_height) / 2, 0.0)
    return left, top, min(left + box_width, width), min(top + box_height, height)


def prepare(decoded: Decoded, rules: Rules) -> NDArray[np.uint8]:
    """Resample the centred box of an image to the network's input.

    :return: uint8 array of shape (crop height, crop width, 3), RGB.
    """
    image, size = decoded.image, (rules.crop.width, rules.crop.height)
    left, top, right, bottom = crop_box(decoded.width, decoded.height, rules)
    # Rows that no output pixel sees are left out first: a strip 16 pixels wide may be three million high. The edges
    # are rounded as Pillow rounds them before they are moved, or the move would change the coefficients.
    top, bottom = float(np.float32(top)), float(np.float32(bottom))
    support = max((bottom - top) / size[1], 1.0)
    first, last = max(int(top - support) - 1, 0), min(int(bottom + support) + 2, image.height)
    if last - first < image.height:
        image, top, bottom = image.crop((0, first, image.width, last)), top - first, bottom - first
    if decoded.dct_scale > 1:
        # The page decodes whole, so these pixels are not its own. To round once, at the end, keeps what comes of them
        # nearer to it than to round after each pass too: docs/decisions/005-dct-scaling.md.
        box = (left, top, right, bottom)
        bands = [
            np.asarray(image.getchannel(band).convert("F").resize(size, Image.Resampling.BILINEAR, box))
            for band in range(3)
        ]
        return np.asarray(np.rint(np.stack(bands, axis=-1)), np.uint8)
    # One pass a call: each pass rounds, and from version 13 on Pillow takes the vertical pass first where an image is
    # much taller than wide. The answer must hang neither on that nor on Pillow's version.
    columns = image.resize((size[0], image.height), Image.Resampling.BILINEAR, box=(left, 0, right, image.height))
    return np.asarray(columns.resize(size, Image.Resampling.BILINEAR, box=(0, top, size[0], bottom)))


def load(data: bytes, rules: Rules, limits: Limits) -> NDArray[np.uint8]:
    """Decode and prepare an image file: the whole way from bytes to the network's input.

    :return: uint8 array of shape (crop height, crop width, 3), RGB.
    :raises TwinlensError: as :func:`twinlens.decode.decode` does.
    """
    return prepare(decode(data, rules, limits), rules)
