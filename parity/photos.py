"""The photos to compare on: a folder's own, PNG copies of them, and 12-megapixel JPEGs made out of them.

An enlarged photo is smooth, and any decoder reads it alike. So the large ones get the detail that a phone's sensor
would have recorded at that size: noise in several octaves and a woven pattern, whose period lies on both sides of what
the network's input can resolve. They are the same bytes on every run with the same Pillow.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from twinlens.contract import Contract
from twinlens.decode import Limits, decode, sniff
from twinlens.errors import TwinlensError

LARGE_SIZE: Final = (4000, 3000)
LARGE_BYTES: Final = (3_000_000, 5_000_000)
ORIENTATIONS: Final = (1, 6, 8)

_TARGET_BYTES: Final = 4_000_000
_ORIENTATION_TAG: Final = 0x0112
# How the sensor's rows lie in the file for an upright picture, by EXIF orientation.
_STORED: Final = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
# Standard deviation of the noise by the size of its grains in pixels, of 255.
# None is so coarse that the network would see it: a picture of 12 megapixels looks as clean as a small one does.
_NOISE: Final = {1: 6.0, 2: 6.0, 4: 5.0}
_WEAVE_AMPLITUDE: Final = 12.0
_WEAVE_PERIODS: Final = (3.0, 24.0)
_PNG_MODES: Final = ("RGB", "RGB", "P", "L")


@dataclass(frozen=True)
class Photo:
    """A file to compare on: its name in the results, where it lies, and what is worth knowing about it."""

    name: str
    path: Path
    facts: dict[str, int | float | str]


def find(folder: Path, contract: Contract) -> tuple[list[Photo], list[str]]:
    """The photos below a folder that both sides read, by name, and the names of the files that are left out.

    :raises TwinlensError: ``invalid_data`` if there is no such folder or no photo in it.
    """
    both = set(contract.formats.server) & set(contract.formats.browser)
    photos, left_out = [], []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        with path.open("rb") as file:
            head = file.read(512)
        try:
            kind = sniff(head)
        except TwinlensError:
            left_out.append(name)
            continue
        if kind in both:
            photos.append(Photo(name, path, {}))
        else:
            left_out.append(name)
    if not photos:
        raise TwinlensError("invalid_data", f"There is no photo below {folder} that both server and page read.")
    return photos, left_out


def samples(folder: Path) -> None:
    """Write some of scikit-image's pictures into a folder, as JPEG."""
    from skimage import data

    for name in ("astronaut", "chelsea", "coffee", "hubble_deep_field", "immunohistochemistry", "retina", "rocket"):
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.jpg", quality=92)


def spread(photos: Sequence[Photo], count: int) -> list[Photo]:
    """``count`` photos evenly spread over the list, which folders by label make evenly spread over labels."""
    return [photos[int((index + 0.5) * len(photos) / count)] for index in range(count)]


def png_copies(photos: Sequence[Photo], folder: Path, contract: Contract) -> Iterator[Photo]:
    """Write opaque 8-bit PNG copies of photos: RGB, every fourth one a palette's, every fourth one grey."""
    for index, photo in enumerate(photos):
        mode = _PNG_MODES[index % len(_PNG_MODES)]
        path = folder / f"{index:05}.png"
        _upright(photo, contract).convert(mode).save(path)
        yield Photo(photo.name, path, {"mode": mode})


def large_copies(
    photos: Sequence[Photo],
    count: int,
    folder: Path,
    contract: Contract,
    size: tuple[int, int] = LARGE_SIZE,
    orientations: Sequence[int] = ORIENTATIONS,
) -> Iterator[Photo]:
    """Write ``count`` JPEGs with fine texture, made out of photos.

    :param size: width and height of the stored pixels; at the default one a file has 3 to 5 MB.
    :param orientations: their EXIF orientations, in turn.
    :raises ValueError: if no JPEG quality gives such a file.
    """
    for index, photo in enumerate(spread(photos, count)):
        orientation = orientations[index % len(orientations)]
        upright = enlarge(_upright(photo, contract), size if orientation == 1 else (size[1], size[0]), seed=index)
        stored = upright.transpose(_STORED[orientation]) if orientation in _STORED else upright
        data, quality = _encode(stored, orientation)
        if size == LARGE_SIZE and not LARGE_BYTES[0] <= len(data) <= LARGE_BYTES[1]:
            raise ValueError(f"{photo.name}: {len(data)} bytes at quality {quality}, not {LARGE_BYTES}")
        path = folder / f"{index:05}.jpg"
        path.write_bytes(data)
        yield Photo(
            photo.name, path, {"orientation": orientation, "quality": quality, "megabytes": round(len(data) / 1e6, 2)}
        )


def enlarge(image: Image.Image, size: tuple[int, int], seed: int) -> Image.Image:
    """Enlarge the centre of a picture to ``size`` (width, height) and give it detail at every scale down to a pixel.

    :param seed: the same seed gives the same detail.
    """
    rng = np.random.default_rng(seed)
    pixels = np.asarray(ImageOps.fit(image, size, Image.Resampling.LANCZOS), np.float32)
    noise = sum(sigma * _octave(rng, size, grain) for grain, sigma in _NOISE.items())
    # Yarns have colours: the channels do not show the weave alike.
    weave = _weave(rng, size)[..., None] * rng.uniform(0.6, 1.0, 3).astype(np.float32)
    detailed = pixels + np.asarray(noise)[..., None] + weave
    return Image.fromarray(np.clip(np.rint(detailed), 0, 255).astype(np.uint8))


def with_headroom(contract: Contract, headroom: float) -> Contract:
    """The contract with another ``jpeg_dct_headroom``; infinity decodes every JPEG whole."""
    decode_rules = contract.decode.model_copy(update={"jpeg_dct_headroom": headroom})
    return contract.model_copy(update={"decode": decode_rules})


def _upright(photo: Photo, contract: Contract) -> Image.Image:
    return decode(photo.path.read_bytes(), with_headroom(contract, math.inf), Limits()).image


def _octave(rng: np.random.Generator, size: tuple[int, int], grain: int) -> NDArray[np.float32]:
    width, height = size
    field = rng.standard_normal((-(-height // grain), -(-width // grain)), dtype=np.float32)
    if grain > 1:
        field = np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BICUBIC))
    return field


def _weave(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """A plain weave: two waves at right angles at a random angle and period, and the twill line across them."""
    width, height = size
    angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(*np.log(_WEAVE_PERIODS)))
    step = 2 * np.pi / period
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    warp = step * (np.cos(angle) * x + np.sin(angle) * y)
    weft = step * (np.cos(angle) * y - np.sin(angle) * x)
    return np.asarray(_WEAVE_AMPLITUDE * (np.sin(warp) * np.sin(weft) + 0.5 * np.sin(2 * warp)), np.float32)


def _encode(image: Image.Image, orientation: int) -> tuple[bytes, int]:
    """The JPEG nearest to the wanted size, and its quality."""
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = orientation
    wanted = _TARGET_BYTES * image.width * image.height / math.prod(LARGE_SIZE)
    low, high = 80, 97
    found: dict[int, bytes] = {}
    while low <= high:
        quality = (low + high) // 2
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, exif=exif)
        found[quality] = buffer.getvalue()
        if len(found[quality]) > wanted:
            high = quality - 1
        else:
            low = quality + 1
    quality = min(found, key=lambda quality: abs(len(found[quality]) - wanted))
    return found[quality], quality
