"""Write what the page's ports are held to: resample.json (by twinlens.preprocess), sniff.json (by twinlens.decode).

The pictures that are resampled are functions of position, so that none has to be stored: ``pattern_pixels`` below and
``web/tests/patterns.ts`` are the same formulas. ``python web/tests/golden/make.py`` writes the files anew, with
``--check`` it fails where one is not what would be written.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[3]))

from twinlens.decode import Decoded, sniff
from twinlens.errors import TwinlensError
from twinlens.preprocess import crop_box, prepare

FOLDER = Path(__file__).parent

# (width, height) of the picture, then the resize's shorter edge, the crop's height and width, and the squeeze.
IMAGENET = (256, 224, 224, 1)
SQUEEZED = (224, 224, 224, 1.25)
SIZES = [
    *[(size, IMAGENET) for size in [(500, 375), (375, 500), (224, 224), (256, 256), (257, 255), (400, 1000), (33, 47)]],
    *[(size, IMAGENET) for size in [(1, 1), (1, 300), (300, 1), (2, 3), (5000, 7), (7, 5000), (1600, 1200)]],
    ((4000, 3000), IMAGENET),
    *[(size, (224, 224, 224, 1)) for size in [(224, 224), (224, 300), (300, 224), (225, 224), (448, 448)]],
    *[(size, (342, 299, 299, 1)) for size in [(500, 375), (299, 299), (1021, 767)]],
    *[(size, (48, 32, 40, 1)) for size in [(500, 375), (48, 48), (31, 800), (40, 32)]],
    *[
        (size, SQUEEZED)
        for size in [(500, 375), (375, 500), (224, 224), (250, 224), (1000, 400), (1, 300), (4000, 3000)]
    ],
    *[(size, (48, 32, 40, 1.7)) for size in [(500, 375), (31, 800)]],
]
PATTERNS = ["noise", "gradient", "checker", "white"]


def pattern_pixels(pattern: str, width: int, height: int) -> NDArray[np.uint8]:
    """One made picture.

    :return: uint8 array of shape (height, width, 3).
    """
    y, x, c = np.indices((height, width, 3), dtype=np.uint32)
    if pattern == "noise":  # the finaliser of MurmurHash3 over the index of the byte
        value = (y * np.uint32(width) + x) * np.uint32(3) + c
        value = (value ^ (value >> 16)) * np.uint32(0x85EBCA6B)
        value = (value ^ (value >> 13)) * np.uint32(0xC2B2AE35)
        return ((value ^ (value >> 16)) & 255).astype(np.uint8)
    if pattern == "gradient":
        return ((x * 7 + y * 3 + c * 50) & 255).astype(np.uint8)
    if pattern == "checker":
        return (((x + y + c) & 1) * 255).astype(np.uint8)
    return np.full((height, width, 3), 255, np.uint8)


def resample_cases() -> list[dict[str, Any]]:
    """Every case with its box and the SHA-256 of the resampled uint8 tensor (height, width, 3)."""
    found = []
    for (width, height), (shorter_edge, crop_height, crop_width, squeeze) in SIZES:
        contract: Any = SimpleNamespace(
            resize=SimpleNamespace(shorter_edge=shorter_edge, squeeze=squeeze),
            crop=SimpleNamespace(height=crop_height, width=crop_width),
        )
        for pattern in PATTERNS if width * height < 1_000_000 else PATTERNS[:1]:
            image = Image.fromarray(pattern_pixels(pattern, width, height))
            tensor = prepare(Decoded(image, width, height, 1, "png"), contract)
            found.append(
                {
                    "pattern": pattern,
                    "width": width,
                    "height": height,
                    "shorter_edge": shorter_edge,
                    "squeeze": squeeze,
                    "crop": [crop_height, crop_width],
                    "box": list(crop_box(width, height, contract)),
                    "sha256": hashlib.sha256(tensor.tobytes()).hexdigest(),
                }
            )
    return found


# First bytes of files; those that begin alike are told apart.
HEADS = [
    b"",
    b"hello, world",
    b"\xff\xd8\xff\xe0\x00\x10JFIF",
    b"\xff\xd8\x00",
    b"\x89PNG\r\n\x1a\n" + bytes(8),
    b"\x89PNG\n\x1a\n",
    b"GIF87a....",
    b"GIF89a....",
    b"GIF88a....",
    b"RIFF\x10\x00\x00\x00WEBPVP8 ",
    b"RIFF\x10\x00\x00\x00WAVEfmt ",
    b"II*\x00\x08\x00\x00\x00",
    b"MM\x00*\x00\x00\x00\x08",
    b"II+\x00\x08\x00\x00\x00",
    b"MM\x00+\x00\x08\x00\x00",
    b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1miafMA1A",
    b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf",
    b"\x00\x00\x00\x14ftypmif1\x00\x00\x00\x00miafavif",
    b"\x00\x00\x00\x18ftypavis\x00\x00\x00\x00msf1iso8",
    b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    b"\x00\x00\x00\x18ftypheix\x00\x00\x00\x00mif1heix",
    b"\x00\x00\x00\x18ftypmsf1\x00\x00\x00\x00hevcmsf1",
    b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2",
    b"\x00\x00\x00\x0cftypavi",
    b"\x00\x00\x00\x00ftyp",
    b"BM" + bytes(24),
    b"BM" + bytes(23),
    b"\xff\x0a\xfa\x1f",
    b"\x00\x00\x00\x0cJXL \r\n\x87\n",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    b"\xff\x4f\xff\x51\x00",
    b"%PDF-1.7",
    b"\x1f\x8b\x08\x00",
    b"PK\x03\x04\x14\x00",
    b"8BPS\x00\x01",
    b"\x00\x00\x01\x00\x01\x00",
    b"<svg xmlns='x'>",
    b"\xef\xbb\xbf \n<SVG>",
    b"<?xml version='1.0'?>\n<!-- a --><svg>",
    b"<?xml version='1.0'?><html>",
    b"<!doctype html><svg>",
]


def sniff_cases() -> list[dict[str, Any]]:
    """The format of every head, or the code of its error."""
    found = []
    for head in HEADS:
        try:
            answer = {"format": sniff(head)}
        except TwinlensError as error:
            answer = {"code": error.code}
            if name := re.match(r"This is an? (.+?) file", error.detail):
                answer["name"] = name[1]
        found.append({"head": head.hex(), **answer})
    return found


if __name__ == "__main__":
    for name, cases in (("resample.json", resample_cases()), ("sniff.json", sniff_cases())):
        lines = ",\n".join(json.dumps(case) for case in cases)
        text = f"[\n{lines}\n]\n"
        if "--check" not in sys.argv:
            (FOLDER / name).write_text(text)
        elif (FOLDER / name).read_text() != text:
            sys.exit(f"{name} is not what twinlens gives. Run: python web/tests/golden/make.py")
