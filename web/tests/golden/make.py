"""Write what the page's ports are held to: resample.json (by twinlens.preprocess), sniff.json (by twinlens.decode),
weights.json (by the writer of TensorFlow.js files).

The pictures that are resampled are functions of position, so that none has to be stored: ``pattern_pixels`` below and
``web/tests/patterns.ts`` are the same formulas. ``python web/tests/golden/make.py`` writes the files anew, with
``--check`` it fails where one is not what would be written.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[3]))

from training.onnx_graph import encode
from training.rounding import integer_limit
from training.tfjs.files import locate, write_tfjs
from twinlens.decode import Decoded, sniff
from twinlens.errors import TwinlensError
from twinlens.preprocess import crop_box, prepare

FOLDER = Path(__file__).parent

# (width, height) of the picture, then the resize's shorter edge and the crop's height and width.
IMAGENET = (256, 224, 224)
SIZES = [
    *[(size, IMAGENET) for size in [(500, 375), (375, 500), (224, 224), (256, 256), (257, 255), (400, 1000), (33, 47)]],
    *[(size, IMAGENET) for size in [(1, 1), (1, 300), (300, 1), (2, 3), (5000, 7), (7, 5000), (1600, 1200)]],
    ((4000, 3000), IMAGENET),
    *[(size, (224, 224, 224)) for size in [(224, 224), (224, 300), (300, 224), (225, 224), (448, 448)]],
    *[(size, (342, 299, 299)) for size in [(500, 375), (299, 299), (1021, 767)]],
    *[(size, (48, 32, 40)) for size in [(500, 375), (48, 48), (31, 800), (40, 32)]],
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
    for (width, height), (shorter_edge, crop_height, crop_width) in SIZES:
        contract: Any = SimpleNamespace(
            resize=SimpleNamespace(shorter_edge=shorter_edge),
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


def whole(generator: np.random.Generator, bits: int, *shape: int) -> NDArray[np.float32]:
    """Integers of so many bits, the largest in every channel, times a scale of eight bits for each channel."""
    limit = integer_limit(bits)
    integers = generator.integers(-limit, limit + 1, shape)
    integers.reshape(shape[0], -1)[:, 0] = limit
    scales = np.ldexp(generator.integers(128, 256, shape[0]), generator.integers(-24, 0, shape[0]))
    scales[-1] = 0
    return np.asarray(integers * scales.reshape(-1, *[1] * (len(shape) - 1)) + 0.0, np.float32)


def weights_graph(bits: int) -> onnx.ModelProto:
    """Convolutions of every kind and a linear layer, on 8 x 8 pixels."""
    generator = np.random.default_rng(bits)
    weights = {
        "full": whole(generator, bits, 6, 3, 3, 3),
        "depthwise": whole(generator, 8, 6, 1, 3, 3),
        "multiplied": whole(generator, bits, 12, 1, 3, 3),
        "pointwise": whole(generator, bits, 5, 12, 1, 1),
        "linear": whole(generator, bits, 4, 5),
        "full.bias": np.asarray(generator.normal(size=6), np.float16).astype(np.float32),
        "linear.bias": np.asarray(generator.normal(size=4), np.float32),
        "plane": np.asarray([2, 3], np.int64),
        "flat": np.asarray([-1, 5], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["a"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["a", "full", "full.bias"], ["b"]),
        helper.make_node("Conv", ["b", "depthwise"], ["c"], group=6),
        helper.make_node("Conv", ["c", "multiplied"], ["d"], group=6),
        helper.make_node("Conv", ["d", "pointwise"], ["e"]),
        helper.make_node("ReduceMean", ["e", "plane"], ["f"], keepdims=1),
        helper.make_node("Reshape", ["f", "flat"], ["g"]),
        helper.make_node("Gemm", ["g", "linear", "linear.bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "weights",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def weights_cases() -> list[dict[str, Any]]:
    """What is published of a graph's weights, and the float32 numbers of each tensor in TensorFlow.js' order.

    The shards stand there unpacked: gzip's bytes are not the same with every version of zlib.
    """
    found = []
    for bits in (8, 6, 5, 4):
        model = weights_graph(bits)
        of_onnx = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        expected = {
            "full": of_onnx["full"].transpose(2, 3, 1, 0),
            "pointwise": of_onnx["pointwise"].transpose(2, 3, 1, 0),
            "depthwise": of_onnx["depthwise"].transpose(2, 3, 0, 1),
            "multiplied": of_onnx["multiplied"].reshape(6, 2, 3, 3).transpose(2, 3, 0, 1),
            "linear": of_onnx["linear"].T,
        }
        _, encodings = encode(model, f"int{bits}-channel")
        files = write_tfjs(model, encodings)
        (manifest,) = json.loads(files["model.json"])["weightsManifest"]
        found.append(
            {
                "bits": bits,
                "entries": manifest["weights"],
                "weights": {name: at.model_dump(mode="json") for name, at in locate(files, encodings).items()},
                "shard": base64.b64encode(gzip.decompress(files[manifest["paths"][0]])).decode(),
                "expected": {
                    name: {
                        "shape": values.shape,
                        "float32": base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode(),
                    }
                    for name, values in expected.items()
                },
            }
        )
    return found


if __name__ == "__main__":
    for name, cases in (
        ("resample.json", resample_cases()),
        ("sniff.json", sniff_cases()),
        ("weights.json", weights_cases()),
    ):
        lines = ",\n".join(json.dumps(case) for case in cases)
        text = f"[\n{lines}\n]\n"
        if "--check" not in sys.argv:
            (FOLDER / name).write_text(text)
        elif (FOLDER / name).read_text() != text:
            sys.exit(f"{name} is not what twinlens gives. Run: python web/tests/golden/make.py")
