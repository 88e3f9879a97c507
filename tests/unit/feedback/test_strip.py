"""What is taken out of photos, and that nothing else is."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.e2e import pictures
from training.rules import standard
from twinlens.decode import Limits, decode
from twinlens.errors import TwinlensError
from twinlens.feedback.strip import exif_of, stripped

RULES = standard(64, 64)
SECRET = b"13 Rue du Secret"


def with_secrets(orientation: int) -> Image.Exif:
    exif = pictures.exif(orientation)
    exif[0x010E] = SECRET.decode()  # ImageDescription
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.0)}  # GPS
    return exif


def picture() -> Image.Image:
    rng = np.random.default_rng(3)
    return Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))


def saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture().save(file, kind, **options)
    return file.getvalue()


def png_text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SECRET.decode())
    info.add_itxt("XML:com.adobe.xmp", f"<x>{SECRET.decode()}</x>")
    return info


def with_segment(marker: int, content: bytes, orientation: int) -> bytes:
    """A JPEG with one segment more at its beginning."""
    data = saved("JPEG", quality=90, exif=with_secrets(orientation))
    return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + data[2:]


THUMBNAIL = SECRET + bytes(2)  # six pixels

FILES = {
    "jpeg": lambda n: saved("JPEG", quality=90, exif=with_secrets(n), comment=SECRET, icc_profile=b"profile " * 50),
    "progressive jpeg": lambda n: saved("JPEG", progressive=True, exif=with_secrets(n), xmp=b"<x>" + SECRET + b"</x>"),
    "jpeg with a thumbnail in its header": lambda n: with_segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\6\1" + THUMBNAIL, n),
    "jpeg with more behind Adobe's": lambda n: with_segment(0xEE, b"Adobe\0d\0\0\0\0\1" + SECRET, n),
    "jpeg with a segment that is skipped": lambda n: with_segment(0xDC, SECRET, n),
    "jpeg with more behind it": lambda n: saved("JPEG", exif=with_secrets(n)) + SECRET,
    "png": lambda n: saved("PNG", exif=with_secrets(n), pnginfo=png_text()),
    "webp": lambda n: saved("WEBP", exif=with_secrets(n), xmp=b"<x>" + SECRET + b"</x>"),
    "lossless webp": lambda n: saved("WEBP", lossless=True, exif=with_secrets(n)),
    "avif": lambda n: saved("AVIF", exif=with_secrets(n)),
    "tiff": lambda n: saved("TIFF", description=SECRET.decode()),
    "bmp": lambda n: saved("BMP") + SECRET,
    "gif": lambda n: saved("GIF", comment=SECRET),
}


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("name", FILES)
def test_the_picture_stays_and_all_else_goes(name: str, orientation: int) -> None:
    data = FILES[name](orientation)
    assert SECRET in data
    found, kind = stripped(data, RULES, Limits())
    assert SECRET not in found and b"GPS" not in found
    with Image.open(io.BytesIO(found)) as image:
        assert dict(image.getexif()) in ({}, {0x0112: orientation})
    before, after = decode(data, RULES, Limits()), decode(found, RULES, Limits())
    assert np.array_equal(np.asarray(before.image), np.asarray(after.image))
    assert after.format == kind
    assert stripped(found, RULES, Limits()) == (found, kind)  # once more changes nothing, so a photo has one digest


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_file_of_nothing_but_its_picture_is_left_as_it_is_or_smaller(kind: str) -> None:
    data = saved(kind.upper())
    assert len(stripped(data, RULES, Limits())[0]) <= len(data)


def test_photos_that_differ_in_their_notes_are_one() -> None:
    one, other = (saved("JPEG", quality=90, comment=comment) for comment in (b"a", b"another"))
    assert stripped(one, RULES, Limits()) == stripped(other, RULES, Limits())


@pytest.mark.parametrize("data", [b"", b"no image", saved("JPEG")[:200], saved("PNG")[:60]])
def test_what_cannot_be_decoded_is_refused(data: bytes) -> None:
    with pytest.raises(TwinlensError):
        stripped(data, RULES, Limits())


def test_the_block_of_an_orientation() -> None:
    exif = Image.Exif()
    exif.load(exif_of(7))
    assert dict(exif) == {0x0112: 7}


def test_of_a_header_with_a_thumbnail_the_header_stays() -> None:
    data = with_segment(0xE0, b"JFIF\0\1\1\1\0\x48\0\x48\6\1" + THUMBNAIL, 1)
    found, _ = stripped(data, RULES, Limits())
    assert found[:20] == b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\1\0\x48\0\x48\0\0"
    with Image.open(io.BytesIO(found)) as image:
        assert image.info["dpi"] == (72, 72)
