"""Made image files of every format and kind that the server reads, and hostile ones that it must refuse.

Each good one shows the same four quadrants, so that what becomes of it can be told: red, green, blue, white.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUADRANTS: Final = ((250, 10, 10), (10, 250, 10), (10, 10, 250), (250, 250, 250))
"""RGB colours, upper left, upper right, lower left, lower right."""
WIDTH: Final = 96
HEIGHT: Final = 64
_ORIENTED: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quadrants(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """The picture that every file shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    rows, columns = (
        (slice(0, height // 2), slice(height // 2, height)),
        (slice(0, width // 2), slice(width // 2, width)),
    )
    for index, colour in enumerate(QUADRANTS):
        pixels[rows[index // 2], columns[index % 2]] = colour
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as the bytes of a file; ``kind`` is Pillow's name of the format."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def oriented(orientation: int, kind: str = "JPEG", width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """The picture as a camera held another way stores it: turned, with an EXIF tag that says how."""
    image = quadrants(width, height)
    stored = image.transpose(_ORIENTED[orientation]) if orientation in _ORIENTED else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless: dict[str, Any] = {
        "JPEG": {"quality": 95},
        "WEBP": {"lossless": True},
        "TIFF": {"compression": "tiff_lzw"},
    }
    return encoded(stored, kind, exif=exif, **lossless.get(kind, {}))


def in_colour() -> Iterator[tuple[str, bytes]]:
    """Files of every kind that keep the colours, by a name that says what is special."""
    image = quadrants()
    palette = image.quantize(8, Image.Quantize.FASTOCTREE)
    other = Image.new("RGB", image.size, (0, 0, 0))
    rgba = image.convert("RGBA")
    yield "jpeg", encoded(image, "JPEG", quality=95)
    yield "jpeg-progressive", encoded(image, "JPEG", quality=95, progressive=True)
    yield "jpeg-444", encoded(image, "JPEG", quality=95, subsampling=0)
    yield "jpeg-cmyk", encoded(image.convert("CMYK"), "JPEG", quality=95)
    yield "png", encoded(image, "PNG")
    yield "png-palette", encoded(palette, "PNG")
    yield "png-alpha", encoded(rgba, "PNG")
    yield "png-16-bit", png_16_bit()
    yield "png-animated", encoded(image, "PNG", save_all=True, append_images=[other])
    yield "webp", encoded(image, "WEBP", quality=95)
    yield "webp-lossless", encoded(image, "WEBP", lossless=True)
    yield "webp-alpha", encoded(rgba, "WEBP", lossless=True)
    yield "webp-animated", encoded(image, "WEBP", lossless=True, save_all=True, append_images=[other])
    yield "gif", encoded(palette, "GIF")
    yield "gif-animated", encoded(palette, "GIF", save_all=True, append_images=[other.quantize(2)])
    yield "bmp", encoded(image, "BMP")
    yield "bmp-palette", encoded(palette, "BMP")
    yield "tiff", encoded(image, "TIFF")
    yield "tiff-lzw", encoded(image, "TIFF", compression="tiff_lzw")
    yield "tiff-deflate", encoded(image, "TIFF", compression="tiff_adobe_deflate")
    yield "tiff-jpeg", encoded(image, "TIFF", compression="jpeg", quality=95)
    yield "tiff-cmyk", encoded(image.convert("CMYK"), "TIFF")
    yield "tiff-alpha", encoded(rgba, "TIFF")
    yield "tiff-pages", encoded(image, "TIFF", save_all=True, append_images=[other])
    yield "avif", encoded(image, "AVIF", quality=95, subsampling="4:4:4")
    yield "avif-alpha", encoded(rgba, "AVIF", quality=95, subsampling="4:4:4")


def in_grey() -> Iterator[tuple[str, bytes]]:
    """Files of every kind that hold no colours."""
    grey = quadrants().convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    yield "jpeg-grey", encoded(grey, "JPEG", quality=95)
    yield "png-grey", encoded(grey, "PNG")
    yield "png-grey-alpha", encoded(grey.convert("LA"), "PNG")
    yield "png-grey-16-bit", encoded(deep, "PNG")
    yield "tiff-grey", encoded(grey, "TIFF")
    yield "tiff-grey-16-bit", encoded(deep, "TIFF")
    yield "bmp-grey", encoded(grey, "BMP")
    yield "webp-grey", encoded(grey, "WEBP", quality=95)
    yield "gif-grey", encoded(grey, "GIF")
    yield "avif-grey", encoded(grey, "AVIF", quality=95)


def files() -> dict[str, bytes]:
    """Every good file by its name; the name begins with the format's."""
    turned = (
        (f"{kind.lower()}-exif-{turn}", oriented(turn, kind)) for kind in ("JPEG", "TIFF") for turn in range(1, 9)
    )
    return {**dict(in_colour()), **dict(in_grey()), **dict(turned)}


def png_16_bit(samples: NDArray[np.uint16] | None = None) -> bytes:
    """A colour PNG of 16 bits per sample, which Pillow cannot write."""
    if samples is None:
        samples = np.asarray(quadrants()).astype(np.uint16) * 257
    height, width, _ = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png(width, height, zlib.compress(rows), depth=16)


def png(width: int, height: int, data: bytes, *, depth: int = 8, colours: int = 2, extra: bytes = b"") -> bytes:
    """A PNG with a header that says whatever it is told to.

    :param data: the compressed pixels.
    :param extra: chunks between header and pixels.
    """
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def zeros(count: int) -> bytes:
    """A zlib stream of ``count`` zero bytes, however many: one compressed mebibyte, repeated."""
    mebibytes, rest = divmod(count, 1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (count % 65_521) << 16 | 1  # Adler-32 of zeros
    last = packer.compress(bytes(rest)) + packer.flush()
    return b"\x78\xda" + block * mebibytes + last + struct.pack(">I", checksum)


def bombs() -> dict[str, bytes]:
    """Small files that say they are huge, by a name that begins with the format's."""
    return {
        "png-30000x30000": png(30_000, 30_000, zeros(30_000 * 90_001)),
        "png-2147483647x2147483647": png(2**31 - 1, 2**31 - 1, zlib.compress(b"")),
        "gif-65535x65535": _gif(65_535, 65_535),
        "bmp-60000x60000": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 154, 0, 0, 54, 40, 60_000, 60_000, 1, 24, *[0] * 6),
        "jpeg-65500x65500": _jpeg_of_size(65_500, 65_500),
        "jpeg-progressive-65500x65500": _jpeg_of_size(65_500, 65_500, progressive=True),
        "webp-16383x16383": _riff(_webp_canvas(16_383, 16_383) + _webp_lossless(16_383, 16_383)),
        "webp-lossless-16384x16384": _riff(_webp_lossless(16_384, 16_384)),
        "tiff-60000x60000": _tiff({256: 60_000, 257: 60_000, 322: 256, 323: 256}),
        "tiff-tile-65520x65520": _tiff({256: 64, 257: 64, 322: 65_520, 323: 65_520}),
        "tiff-tile-16x2147483632": _tiff({256: 64, 257: 64, 322: 16, 323: 2**31 - 16}),
        "avif-16000x16000": _avif_of_size(16_000, 16_000),
    }


def traps() -> dict[str, bytes]:
    """Files of a common size with something in them that grows, or costs far more than its size."""
    pixels = zlib.compress(bytes(HEIGHT * (1 + 3 * WIDTH)))
    gigabyte = zeros(1 << 30)
    return {
        "png-text": png(WIDTH, HEIGHT, pixels, extra=chunk(b"zTXt", b"Comment\0\0" + gigabyte)),
        "png-international-text": png(WIDTH, HEIGHT, pixels, extra=chunk(b"iTXt", b"x\0\1\0\0\0" + gigabyte)),
        "png-profile": png(WIDTH, HEIGHT, pixels, extra=chunk(b"iCCP", b"x\0\0" + gigabyte)),
        "png-pixels": png(WIDTH, HEIGHT, gigabyte),
        "gif-frame": _gif(64, 64, frame=(65_535, 65_535)),
        "jpeg-scans": _jpeg_with_scans(2_000),
        "jpeg-component-scans": jpeg_in_scans(4_000, 3_000, 1_000),
    }


def _gif(width: int, height: int, frame: tuple[int, int] | None = None) -> bytes:
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return b"GIF89a" + screen + b"," + struct.pack("<HHHHB", 0, 0, *(frame or (width, height)), 0) + b"\2\2\x4c\1\0;"


def _jpeg_of_size(width: int, height: int, *, progressive: bool = False) -> bytes:
    data = encoded(quadrants(), "JPEG", progressive=progressive)
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def jpeg_in_scans(width: int, height: int, scans: int) -> bytes:
    """A baseline JPEG with one component a scan: not progressive, and yet all its coefficients must be held."""
    data = encoded(Image.new("L", (8, 8)), "JPEG")
    start, end = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + components
    tables = data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") : end]
    each = [b"\xff\xda" + struct.pack(">HB", 8, 1) + bytes([1 + k % 3, 0, 0, 63, 0]) + b"\0" for k in range(scans)]
    return data[:start] + frame + tables + b"".join(each) + b"\xff\xd9"


def _jpeg_with_scans(count: int) -> bytes:
    """A progressive JPEG that repeats its first scan."""
    data = encoded(quadrants(), "JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    first = data[start : data.index(b"\xff\xc4", start)]
    return data[:start] + first * count + data[start:]


def _riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _webp_canvas(width: int, height: int) -> bytes:
    edges = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X" + struct.pack("<I", 10) + bytes(4) + edges


def _webp_lossless(width: int, height: int) -> bytes:
    return b"VP8L" + struct.pack("<I", 20) + b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(15)


def _tiff(sizes: dict[int, int]) -> bytes:
    """A TIFF of one deflated tile of zeros, with whatever sizes it is told to have."""
    data = zlib.compress(bytes(3 * 256 * 256))
    tags = {258: 8, 259: 8, 262: 2, 277: 3, 284: 1, 324: 8, 325: len(data), **sizes}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


def _avif_of_size(width: int, height: int) -> bytes:
    data = encoded(quadrants(), "AVIF")
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]
