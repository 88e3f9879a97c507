"""Made image files of every kind that Pillow, ONNX Runtime and the browser must see alike."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def noise(width: int = 150, height: int = 110, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 array of shape (height, width, channels) in which neighbours have nothing to do with each other."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth(width: int = 150, height: int = 110) -> Image.Image:
    """A picture that compresses as photos do."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 17 + channel) + np.cos(y / (11 + channel)) for channel in range(3)]
    return Image.fromarray(np.clip(np.stack(waves, -1) * 60 + 128, 0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes that Pillow writes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(
    samples: NDArray[Any], colour_type: int, *, before: bytes = b"", after: bytes = b"", adam7: bool = False
) -> bytes:
    """A PNG as Pillow cannot write it: interlaced, of 16-bit colour, with chunks of one's choice around the pixels.

    :param samples: uint8 or uint16 array of shape (height, width, channels).
    """
    height, width = samples.shape[:2]
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in _PASSES] if adam7 else [samples]
    wide = samples.dtype == np.uint16
    rows = [b"\0" + row.astype(">u2" if wide else "u1").tobytes() for part in passes if part.size for row in part]
    header = struct.pack(">IIBBBBB", width, height, 16 if wide else 8, colour_type, 0, 0, int(adam7))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + pixels + after + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def exif(orientation: int) -> Image.Exif:
    """An EXIF block that holds an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def wrong_profile() -> bytes:
    """sRGB's ICC profile with red and green exchanged: whoever applies it changes every pixel."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    for one, other in ((b"rXYZ", b"gXYZ"), (b"gXYZ", b"rXYZ")):
        profile[entries[one] : entries[one] + 4] = other
    return bytes(profile)


def gif_with_small_frame(**options: Any) -> bytes:
    """A GIF whose only frame covers a part of its canvas."""
    data = bytearray(saved(Image.fromarray(noise(60, 40)).quantize(32), "GIF", **options))
    struct.pack_into("<HH", data, 6, 150, 110)
    struct.pack_into("<HH", data, data.index(b",\0\0\0\0") + 1, 50, 30)
    return bytes(data)


def bmp32(header_size: int) -> bytes:
    """A BMP of 32 bits a pixel: the fourth byte is alpha in version 5 headers, and nothing in version 3."""
    pixels = noise(channels=4, seed=5)[::-1, :, [2, 1, 0, 3]]
    compression = 0 if header_size == 40 else 3
    header = struct.pack("<IiiHHIIiiII", header_size, 150, 110, 1, 32, compression, pixels.size, 0, 0, 0, 0)
    if header_size > 40:
        header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(header_size - 60)
    start = 14 + header_size
    return b"BM" + struct.pack("<IHHI", start + pixels.size, 0, 0, start) + header + pixels.tobytes()


def lossless() -> dict[str, Callable[[], bytes]]:
    """Files whose uint8 tensor must be the same bit for bit on both sides, opaque ones and transparent ones."""
    rgb = Image.fromarray(noise())
    rgba = Image.fromarray(noise(channels=4))
    grey = Image.fromarray(noise(channels=1)[..., 0])
    palette = rgb.quantize(64)
    later = Image.fromarray(255 - noise())
    wide = np.random.default_rng(7).integers(0, 65536, (110, 150, 4), dtype=np.uint16)
    made: dict[str, Callable[[], bytes]] = {
        "rgb.png": lambda: saved(rgb, "PNG"),
        "tall.png": lambda: saved(Image.fromarray(noise(90, 700)), "PNG"),
        "wide.png": lambda: saved(Image.fromarray(noise(700, 90)), "PNG"),
        "tiny.png": lambda: saved(Image.fromarray(noise(1, 1)), "PNG"),
        "line.png": lambda: saved(Image.fromarray(noise(1, 300)), "PNG"),
        "large.png": lambda: saved(smooth(4000, 3000), "PNG", compress_level=1),
        "grey.png": lambda: saved(grey, "PNG"),
        "bilevel.png": lambda: saved(grey.convert("1"), "PNG"),
        "palette.png": lambda: saved(palette, "PNG"),
        "interlaced.png": lambda: png(noise(), 2, adam7=True),
        "profile.png": lambda: saved(rgb, "PNG", icc_profile=wrong_profile()),
        "gamma.png": lambda: png(noise(), 2, before=chunk(b"gAMA", struct.pack(">I", 100_000))),
        "animated.png": lambda: saved(rgb, "PNG", save_all=True, append_images=[later]),
        "still-and-animated.png": lambda: saved(rgb, "PNG", save_all=True, default_image=True, append_images=[later]),
        "rgba.png": lambda: saved(rgba, "PNG"),
        "rgba-interlaced.png": lambda: png(noise(channels=4), 6, adam7=True),
        "grey-alpha.png": lambda: saved(Image.merge("LA", (grey, rgba.getchannel("A"))), "PNG"),
        "palette-alpha.png": lambda: saved(palette, "PNG", transparency=bytes(range(0, 256, 4))),
        "colour-key.png": lambda: saved(rgb, "PNG", transparency=rgb.getpixel((0, 0))),
        "palette.gif": lambda: saved(palette, "GIF"),
        "transparent.gif": lambda: saved(palette, "GIF", transparency=7),
        "animated.gif": lambda: saved(palette, "GIF", save_all=True, append_images=[later.quantize(64)]),
        "small-frame.gif": gif_with_small_frame,
        "small-transparent-frame.gif": lambda: gif_with_small_frame(transparency=5),
        "rgb.bmp": lambda: saved(rgb, "BMP"),
        "palette.bmp": lambda: saved(palette, "BMP"),
        "version-3.bmp": lambda: bmp32(40),
        "version-5.bmp": lambda: bmp32(124),
        "rgb.webp": lambda: saved(rgb, "WEBP", lossless=True),
        "rgba.webp": lambda: saved(rgba, "WEBP", lossless=True, exact=True),
        "profile.webp": lambda: saved(rgb, "WEBP", lossless=True, icc_profile=wrong_profile()),
        "animated.webp": lambda: saved(rgb, "WEBP", lossless=True, save_all=True, append_images=[later]),
        "exif-after.png": lambda: png(noise(), 2, after=chunk(b"eXIf", exif(6).tobytes()[6:])),
        "wide-grey-16-bit.png": lambda: saved(Image.fromarray(wide[..., 0]), "PNG"),
        "wide-rgba-16-bit.png": lambda: png(wide, 6),
    }
    for orientation in range(1, 9):
        block = exif(orientation)
        made[f"exif-{orientation}.png"] = lambda block=block: saved(rgb, "PNG", exif=block)
        made[f"exif-{orientation}.webp"] = lambda block=block: saved(
            rgba, "WEBP", lossless=True, exact=True, exif=block
        )
    return made


def lossy() -> dict[str, Callable[[], bytes]]:
    """Files whose pixels depend on the decoder, by a little."""
    picture = smooth()
    made: dict[str, Callable[[], bytes]] = {
        "plain.jpg": lambda: saved(picture, "JPEG", quality=92),
        "progressive.jpg": lambda: saved(picture, "JPEG", quality=85, progressive=True),
        "grey.jpg": lambda: saved(picture.convert("L"), "JPEG"),
        "cmyk.jpg": lambda: saved(picture.convert("CMYK"), "JPEG", quality=92),
        "profile.jpg": lambda: saved(picture, "JPEG", quality=92, icc_profile=wrong_profile()),
        "plain.webp": lambda: saved(picture, "WEBP", quality=90),
        "plain.avif": lambda: saved(picture, "AVIF", quality=90),
    }
    for orientation in range(1, 9):
        block = exif(orientation)
        made[f"exif-{orientation}.jpg"] = lambda block=block: saved(picture, "JPEG", quality=92, exif=block)
        made[f"exif-{orientation}.avif"] = lambda block=block: saved(picture, "AVIF", quality=90, exif=block)
    return made
