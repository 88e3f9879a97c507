"""From the bytes of an image file to opaque 8-bit RGB pixels, by the contract's rules.

What the declared media type or the file's name says is never trusted: the format is read from the bytes. The
size is read from the header, and refused if it is too large, before any pixel is allocated. The page does the
same steps in ``web/src/decode.ts``.
"""

from __future__ import annotations

import contextlib
import io
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
from PIL import GifImagePlugin, Image, TiffImagePlugin, features

from twinlens.contract import Format, Rules
from twinlens.errors import TwinlensError

# Pillow's own guard warns at one size and refuses at twice that, whatever the format. Ours is `Limits`, read from
# the header by `decode` for every image, with its own figure for JPEG.
Image.MAX_IMAGE_PIXELS = None

FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MEDIA_TYPES: Final[dict[Format, str]] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "avif": "image/avif",
}

LARGE_PIXELS: Final = 25_000_000
"""Images that allocate more pixels than this are to be decoded one at a time, or a few fill the memory."""
_one_large: Final = threading.Lock()

# Encoders write about ten scans; a few bytes each can ask for thousands.
_MOST_SCANS: Final = 100
# What white is in these is not written in the file.
_REFUSED_MODES: Final = {"F": "floating-point samples", "I": "signed or 32-bit samples", "LAB": "CIELAB colours"}
# Pillow can be built without these two.
_ABSENT: Final = frozenset(kind for kind in ("avif", "webp") if not features.check(kind))

_ORIENTATION_TAG: Final = 0x0112
_TILE_WIDTH_TAG: Final = 322
_TILE_LENGTH_TAG: Final = 323
_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Formats that people do send and that Twinlens does not read: naming them beats "not an image".
_REFUSED: Final[tuple[tuple[int, bytes, str], ...]] = (
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"%PDF-", "PDF"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"<svg", "SVG"),
)


@dataclass(frozen=True)
class Limits:
    """The largest images that are decoded, in pixels (width times height, from the header)."""

    jpeg_pixels: int = 120_000_000
    other_pixels: int = 50_000_000


@dataclass(frozen=True)
class Header:
    """An image file whose header was read, and not one pixel of it.

    ``width`` and ``height`` are those of the file. ``allocates`` is how many pixels :func:`decode_pixels` will hold
    at once: fewer than the file has for a JPEG of one scan that is decoded scaled, perhaps more for a TIFF in tiles.
    """

    image: Image.Image
    format: Format
    width: int
    height: int
    dct_scale: int
    allocates: int


@dataclass(frozen=True)
class Decoded:
    """Opaque RGB pixels, perhaps fewer than the file has.

    ``width`` and ``height`` are the upright image's own size divided by ``dct_scale``. They need not be whole
    numbers: a JPEG decoder rounds the size of a scaled image up, and the resize must not inherit that shift.
    """

    image: Image.Image
    width: float
    height: float
    dct_scale: int
    format: Format


def sniff(data: bytes) -> Format:
    """Tell the format of an image from its first bytes.

    :raises TwinlensError: ``unsupported_format`` for a known format that is not read, ``not_an_image`` for
        anything else, the empty file too.
    """
    head = bytes(data[:512])
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "tiff"
    # A `mif1` brand alone does not say which codec is inside; the compatible brands that follow do.
    if head[4:8] == b"ftyp":
        box = head[8 : max(16, min(int.from_bytes(head[:4], "big"), 128))]
        if any(box[i : i + 4] in (b"avif", b"avis") for i in range(0, len(box), 4)):
            return "avif"
    if head.startswith(b"BM") and len(head) >= 26:
        return "bmp"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<?xml") and b"<svg" in text:
        text = b"<svg"
    for offset, magic, name in _REFUSED:
        if (text if magic.startswith(b"<") else head)[offset:].startswith(magic):
            raise TwinlensError(
                "unsupported_format",
                f"This is a {name} file, which is not read here. Send one of: {', '.join(FORMATS)}.",
            )
    raise TwinlensError(
        "not_an_image",
        f"The {len(data)} bytes do not begin like an image. Send the bytes of one of: {', '.join(FORMATS)}."
        if data
        else "The image is empty (0 bytes). Send the bytes of an image file.",
    )


def decode(data: bytes, rules: Rules, limits: Limits) -> Decoded:
    """Decode an image file to upright, opaque 8-bit RGB.

    :param data: the bytes of the file.
    :param rules: the contract, or what is to become one: formats, alpha, orientation and the DCT scale follow it.
    :param limits: the largest images to accept.
    :raises TwinlensError: ``not_an_image``, ``unsupported_format``, ``too_many_pixels`` or ``broken_image``.
    """
    return decode_pixels(read_header(data, rules, limits), rules)


def read_header(data: bytes, rules: Rules, limits: Limits) -> Header:
    """Read an image file's header and refuse it if it is too large, before a pixel is allocated.

    :raises TwinlensError: as :func:`decode` does.
    """
    kind = sniff(data)
    if kind not in rules.formats.server or kind in _ABSENT:
        raise TwinlensError(
            "unsupported_format", f"{kind} is not read here. Send one of: {', '.join(rules.formats.server)}."
        )
    with _broken_if_raised(kind):
        image = Image.open(io.BytesIO(data), formats=[kind.upper()])
        allocates = _check_size(image, kind, limits)
        width, height = image.size
        dct_scale = 1
        if kind == "jpeg":
            dct_scale = _draft(image, rules)
            scans = 1 + data.count(b"\xff\xda", image.fp.tell() if image.fp else 0)
            if scans > 1 or image.info.get("progressive"):
                _check_scans(scans)  # libjpeg holds every coefficient of these, whatever the scale
            else:
                allocates //= dct_scale**2
        return Header(image, kind, width, height, dct_scale, allocates)


@contextlib.contextmanager
def in_turn(header: Header) -> Iterator[None]:
    """Decode within this what may be large: of such images one at a time has its turn, whoever decodes them."""
    with _one_large if header.allocates > LARGE_PIXELS else contextlib.nullcontext():
        yield


def decode_pixels(header: Header, rules: Rules) -> Decoded:
    """Decode the pixels behind a header, once.

    :param header: from :func:`read_header`, by the same rules.
    :raises TwinlensError: ``unsupported_format`` or ``broken_image``.
    """
    image = header.image
    with _broken_if_raised(header.format):
        image.load()
        orientation = _orientation(image)
        upright = _to_rgb(image, rules.decode.alpha_background)
        if isinstance(image, GifImagePlugin.GifImageFile) and image.dispose_extent:
            # Around a first frame that is smaller than the picture Pillow shows a palette colour, browsers nothing.
            frame, upright = upright, Image.new("RGB", upright.size, rules.decode.alpha_background)
            upright.paste(frame.crop(image.dispose_extent), image.dispose_extent[:2])
    if orientation in _TRANSPOSE:
        upright = upright.transpose(_TRANSPOSE[orientation])
    width, height = float(upright.width), float(upright.height)
    if header.dct_scale > 1:
        width, height = header.width / header.dct_scale, header.height / header.dct_scale
        if orientation >= 5:
            width, height = height, width
    return Decoded(upright, width, height, header.dct_scale, header.format)


@contextlib.contextmanager
def _broken_if_raised(kind: Format) -> Iterator[None]:
    try:
        yield
    except TwinlensError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever the broken bytes led them to.
        raise TwinlensError(
            "broken_image",
            f"The file begins like {kind} but cannot be decoded. It may be cut off or damaged: open it in an image "
            "viewer and save it again.",
        ) from error


def _check_size(image: Image.Image, kind: Format, limits: Limits) -> int:
    """How many pixels decoding will allocate, refused if they are too many."""
    allowed = limits.jpeg_pixels if kind == "jpeg" else limits.other_pixels
    width, height = image.size
    if width < 1 or height < 1:
        raise TwinlensError("broken_image", f"The image is {width} x {height}: it has no pixels.")
    pixels = width * height
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # libtiff allocates a whole tile, which may be far larger than the image that it is said to be part of.
        tile = [image.tag_v2.get(tag, 0) for tag in (_TILE_WIDTH_TAG, _TILE_LENGTH_TAG)]
        pixels = max(pixels, math.prod(int(edge) for edge in tile))
    if pixels > allowed:
        raise TwinlensError(
            "too_many_pixels",
            f"The image is {width} x {height}, {pixels / 1e6:.1f} megapixels; at most {allowed / 1e6:g} megapixels "
            f"are accepted for {kind}. Send a smaller one.",
        )
    return pixels


def _check_scans(scans: int) -> None:
    if scans > _MOST_SCANS:
        raise TwinlensError(
            "broken_image",
            f"The JPEG has {scans} scans, and at most {_MOST_SCANS} are decoded, since each is a pass over the whole "
            "image. Save it again as a common JPEG.",
        )


def _draft(image: Image.Image, rules: Rules) -> int:
    """Ask libjpeg for the smallest DCT-scaled size that leaves the resize enough pixels."""
    needed = rules.decode.jpeg_dct_headroom * rules.resize.shorter_edge
    width, height = image.size
    for scale in (8, 4, 2):
        if min(width, height) / scale >= needed:
            image.draft(image.mode, (width // scale, height // scale))
            return scale
    return 1


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation that is still to be applied, 1 to 8; 1 where it cannot be read, as browsers do.

    ``Image.getexif`` would also look into XMP, which no browser does. Pillow itself turns a TIFF upright.
    """
    block = image.info.get("exif")
    if not block or isinstance(image, TiffImagePlugin.TiffImageFile):
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        found = exif.get(_ORIENTATION_TAG, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Opaque 8-bit RGB from whatever mode Pillow decoded to."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _REFUSED_MODES:
        kind = _REFUSED_MODES[image.mode]
        raise TwinlensError(
            "unsupported_format", f"The image holds {kind}. Save it as RGB or grey, 8 or 16 bits per sample."
        )
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit samples at 255, which turns most of a picture white.
        samples = np.asarray(image)
        grey = Image.fromarray(np.clip(samples >> 8, 0, 255).astype(np.uint8))
        key = image.info.get("transparency")
        if isinstance(key, int):
            opaque = Image.fromarray(np.where(samples == key, 0, 255).astype(np.uint8))
            return _composite(grey.convert("RGB"), opaque, background)
        return grey.convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return _composite(rgba.convert("RGB"), rgba.getchannel("A"), background)
    return image.convert("RGB")


def _composite(rgb: Image.Image, alpha: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Lay pixels on one colour; Pillow's blend is ``(c * a + bg * (255 - a) + 127) // 255`` exactly."""
    canvas = Image.new("RGB", rgb.size, background)
    canvas.paste(rgb, mask=alpha)
    return canvas
