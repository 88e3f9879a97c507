"""Take out of an image file everything that is not the picture: where and when it was taken, by whom, with what.

JPEG, PNG and WebP keep their compressed pixels byte for byte, with the tables and the colour profile to read them by;
what is kept is listed, so that what nobody thought of is not. An orientation stays, alone in a new EXIF block. Files of
other formats become PNGs of their upright pixels.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from PIL import Image

from twinlens.contract import Format, Rules
from twinlens.decode import Limits, decode_pixels, read_header
from twinlens.errors import TwinlensError

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_RESTARTS: Final = range(0xD0, 0xD8)
_EXIF: Final = b"Exif\0\0"
_ICC: Final = b"ICC_PROFILE\0"
# Frames and the tables of their codes (but for the reserved one), scans, quantisation tables, restart intervals.
_JPEG_KEPT: Final = frozenset({*range(0xC0, 0xD0), _SOS, 0xDB, 0xDD} - {0xC8})
# What decoders read of each: version, unit, density and the size of the thumbnail that may follow; version, flags, and
# the transform of the colours.
_JFIF, _JFIF_BYTES = b"JFIF\0", 14
_ADOBE, _ADOBE_BYTES = b"Adobe", 12
_PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = frozenset(
    [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP"]
)
_WEBP_KEPT: Final = frozenset([b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"])
_WEBP_EXIF_FLAG, _WEBP_XMP_FLAG = 0x08, 0x04
_ORIENTATION: Final = 0x0112


def stripped(data: bytes, rules: Rules, limits: Limits) -> tuple[bytes, Format]:
    """The file without anything but its picture, and its format.

    :param data: the bytes of an image file.
    :param rules: the contract: which formats are read.
    :raises TwinlensError: as :func:`twinlens.decode.decode` does, for a file that it cannot decode.
    """
    header = read_header(data, rules, limits)
    decoded = decode_pixels(header, rules)  # all of it: what is kept can be looked at
    orientation = _orientation(header.image)
    if header.format == "jpeg":
        return _jpeg(data, orientation), "jpeg"
    if header.format == "png" and not getattr(header.image, "is_animated", False):
        return _png(data, orientation), "png"
    if header.format == "webp" and not getattr(header.image, "is_animated", False):
        return _webp(data, orientation), "webp"
    file = io.BytesIO()
    decoded.image.save(file, "PNG")
    return file.getvalue(), "png"


def _orientation(image: Image.Image) -> int:
    """As the server applies it, 1 to 8."""
    block = image.info.get("exif")
    if not block:
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        found = exif.get(_ORIENTATION, 1)
    except Exception:  # a damaged block says nothing
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def exif_of(orientation: int) -> bytes:
    """An EXIF block, without JPEG's prefix, that says an orientation and nothing else."""
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)


def _jpeg(data: bytes, orientation: int) -> bytes:
    parts = [data[:2]]
    if orientation != 1:
        block = _EXIF + exif_of(orientation)
        parts.append(_jpeg_segment(0xE1, block))
    parts += _jpeg_segments(data)
    return b"".join(parts)


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    """The segments that stay, with the compressed pixels behind each start of a scan; up to the first end of image."""
    at = 2
    while at + 1 < len(data):
        if data[at] != 0xFF:
            at += 1  # bytes between segments, which decoders skip
            continue
        while at + 1 < len(data) and data[at + 1] == 0xFF:
            at += 1  # padding
        if at + 1 >= len(data):
            break
        marker = data[at + 1]
        if marker == _EOI:
            yield b"\xff\xd9"
            return
        if marker in _RESTARTS or marker in (0x00, 0x01, _SOI):
            at += 2
            continue
        if at + 4 > len(data):
            break
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SOS:
            end = _scan_end(data, end)
        yield _jpeg_kept(marker, data[at:end])
        at = end
    yield b"\xff\xd9"  # decoders take a file that is cut off here and there


def _jpeg_kept(marker: int, segment: bytes) -> bytes:
    """What stays of a segment: all of what decoding needs, of others no more than decoders read, mostly nothing."""
    content = segment[4:]
    if marker in _JPEG_KEPT or (marker == 0xE2 and content.startswith(_ICC)):
        return segment
    if marker == 0xE0 and content.startswith(_JFIF) and len(content) >= _JFIF_BYTES:
        return _jpeg_segment(marker, content[: _JFIF_BYTES - 2] + b"\0\0")  # with a thumbnail of no size
    if marker == 0xEE and content.startswith(_ADOBE) and len(content) >= _ADOBE_BYTES:
        return _jpeg_segment(marker, content[:_ADOBE_BYTES])
    return b""


def _jpeg_segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def _scan_end(data: bytes, at: int) -> int:
    """Where the next segment begins: the first marker that neither stands for a byte of 255 nor restarts a decoder."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] != 0x00 and data[at + 1] not in _RESTARTS and data[at + 1] != 0xFF:
            return at
        at += 1 if data[at + 1] == 0xFF else 2


def _png(data: bytes, orientation: int) -> bytes:
    parts, at = [_PNG_MAGIC], len(_PNG_MAGIC)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if kind in _PNG_KEPT:
            parts.append(data[at:end])
        if kind == b"IHDR" and orientation != 1:
            content = b"eXIf" + exif_of(orientation)
            parts.append(struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content)))
        if kind == b"IEND":
            break
        at = end
    return b"".join(parts)


def _webp(data: bytes, orientation: int) -> bytes:
    chunks, at = [], 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        kind, content = data[at : at + 4], data[at + 8 : at + 8 + size]
        if kind == b"VP8X":
            flags = content[0] & ~(_WEBP_EXIF_FLAG | _WEBP_XMP_FLAG) | (_WEBP_EXIF_FLAG if orientation != 1 else 0)
            content = bytes([flags]) + content[1:]
        if kind in _WEBP_KEPT:
            chunks.append(kind + struct.pack("<I", size) + content + b"\0" * (size % 2))
        at = end
    if orientation != 1:  # it was in a chunk of its own, so there is a VP8X before it
        block = exif_of(orientation)
        chunks.append(b"EXIF" + struct.pack("<I", len(block)) + block)
    if not chunks:
        raise TwinlensError("broken_image", "The WebP file has no picture in it. Save it again in an image editor.")
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body
