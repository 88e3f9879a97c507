"""Make golden vectors: small pictures drawn here, and what the reference network answers to them.

The pictures are drawn from fixed numbers, so every export has the same ones, and none is anybody's photo.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinlens.contract import Rules
from twinlens.decode import Limits
from twinlens.golden import Case, dump, input_sha256
from twinlens.preprocess import load

FOLDER: Final = "golden"
FILE: Final = f"{FOLDER}/golden.json"
_SEED: Final = 20261122


def pictures() -> Iterator[tuple[str, bytes]]:
    """Name and PNG bytes of each picture: reduced and enlarged, wide and tall, smooth, detailed and transparent."""
    generator = np.random.default_rng(_SEED)
    yield "gradient", _png(_waves(480, 360, 0.5))
    yield "detail", _png(_waves(187, 251, 31.0))
    yield "small", _png(_waves(61, 47, 6.0))
    yield "wide", _png(_waves(700, 41, 12.0))
    yield "noise", _png(generator.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    alpha = np.tile(np.linspace(0, 255, 240, dtype=np.uint8), (260, 1))
    yield "alpha", _png(np.dstack([_waves(240, 260, 3.0), alpha]))


def make(
    rules: Rules, answer: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> tuple[dict[str, bytes], NDArray[np.uint8]]:
    """Make the golden files.

    :param rules: the preprocessing of the model.
    :param answer: the reference: uint8 (N, height, width, 3) to float32 logits (N, labels).
    :return: the files' bytes by path relative to the version's folder, and the inputs, uint8 (N, height, width, 3).
    """
    drawn = dict(pictures())
    inputs = np.stack([load(data, rules, Limits()) for data in drawn.values()])
    logits = answer(inputs)
    files = {f"{FOLDER}/{name}.png": data for name, data in drawn.items()}
    cases = [
        Case(name, f"{FOLDER}/{name}.png", input_sha256(pixels), row)
        for name, pixels, row in zip(drawn, inputs, logits, strict=True)
    ]
    return {FILE: dump(cases), **files}, inputs


def _waves(width: int, height: int, cycles: float) -> NDArray[np.uint8]:
    """Crossing waves of a different pitch in each channel, uint8 (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    pitch = 2 * np.pi * cycles * np.array([1.0, 1.3, 0.7])
    waves = np.sin(x[..., None] * pitch) + np.cos((y + x / 3)[..., None] * pitch[::-1])
    return np.asarray(np.round((waves + 2) / 4 * 255), np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
