"""A made model whose answer anyone can tell: the name of the colour that a picture has on average.

It is a whole version as ``python -m training export`` writes one, from an ONNX graph of eight nodes and in
milliseconds. Tests of server, command line and page that need a model, not the model, use it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tests.images import encoded
from training.onnx_graph import encode
from training.tfjs.files import locate, write_tfjs
from twinlens import golden, store
from twinlens.contract import SCHEMA_VERSION, Contract, Encoding, dump
from twinlens.golden import Case, input_sha256

COLOURS: Final = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
LABELS: Final = tuple(COLOURS)
SIZE: Final = 64
SHORTER_EDGE: Final = 72
SHARPNESS: Final = 12.0
RESIZE: Final = {
    "shorter_edge": SHORTER_EDGE,
    "squeeze": 1.0,
    "filter": "triangle",
    "antialias": True,
    "rounding": "pillow-fixed-point-8bit",
    "box_precision": "float32",
}
DECODE: Final = {
    "exif_orientation": "apply",
    "alpha_background": (255, 255, 255),
    "icc_profile": "ignore",
    "sixteen_bit": "shift-right-8",
    "animation": "first-frame",
    "jpeg_dct_headroom": 2.0,
}
NAME: Final = "colours"
VERSION: Final = "v1"
_PATCH: Final = 16
Leaning: TypeAlias = tuple[tuple[str, float], ...]


def write(
    models: Path,
    name: str = NAME,
    version: str = VERSION,
    weights: str = "float16",
    leaning: Mapping[str, float] | None = None,
    **changes: Any,
) -> Path:
    """Write a version of the model and make it the one in use.

    :param models: the folder of models.
    :param weights: how the weights are stored; their numbers are the same in any way.
    :param leaning: what is added to some colours' logits, which makes another network of it.
    :param changes: fields of the contract to set otherwise, as in ``formats={"server": ["png"], "browser": ["png"]}``.
    :return: the model's folder, ``MODELS/NAME``.
    """
    folder = models / name
    files, encodings = _files(weights, tuple(sorted((leaning or {}).items())))
    contract = _contract(name, version, files, {"weights": encodings} | changes)
    staged = folder / f".{version}"
    for path, data in {**files, store.CONTRACT: dump(contract)}.items():
        (staged / path).parent.mkdir(parents=True, exist_ok=True)
        (staged / path).write_bytes(data)
    store.publish(staged, folder, version)
    store.set_current(folder, version)
    return folder


def logits(pixels: NDArray[np.uint8], leaning: Leaning = ()) -> NDArray[np.float64]:
    """What the network computes, in NumPy: how near the mean colour is to each of :data:`COLOURS`.

    :param pixels: uint8 array of shape (N, height, width, 3).
    :return: float64 array of shape (N, labels).
    """
    mean = pixels.astype(np.float64).mean(axis=(1, 2)) / 255
    return mean @ _weight().astype(np.float64).T + _bias(leaning)


def picture(colour: str, width: int = 96, height: int = 80, noise: int = 40) -> Image.Image:
    """A picture that is of one colour, but for noise."""
    rng = np.random.default_rng(sum(colour.encode()))
    jitter = rng.integers(-noise, noise + 1, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(COLOURS[colour]) + jitter, 0, 255).astype(np.uint8))


def _weight() -> NDArray[np.float32]:
    return np.asarray(list(COLOURS.values()), np.float32) / 255 * 2 * SHARPNESS


def _bias(leaning: Leaning) -> NDArray[np.float32]:
    more = np.asarray([dict(leaning).get(colour, 0.0) for colour in COLOURS], np.float32)
    return -SHARPNESS * ((np.asarray(list(COLOURS.values()), np.float32) / 255) ** 2).sum(axis=1) + more


def _graph(leaning: Leaning) -> onnx.ModelProto:
    """Normalise, average patches of 16 x 16 (the features), average those (the embedding), compare with the colours."""
    patch = np.zeros((3, 3, _PATCH, _PATCH), np.float32)
    patch[range(3), range(3)] = 1 / _PATCH**2
    constants = {
        "scale": np.full(3, 1 / 255, np.float32),
        "offset": np.zeros(3, np.float32),
        "patch": patch,
        "plane": np.asarray([2, 3], np.int64),
        "weight": _weight(),
        "bias": _bias(leaning),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["normalised"]),
        helper.make_node("Transpose", ["normalised"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "patch"], ["features"], strides=[_PATCH, _PATCH]),
        helper.make_node("ReduceMean", ["features", "plane"], ["pooled"], keepdims=1),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "weight", "bias"], ["logits"], transB=1),
    ]
    outputs = {
        "logits": ["N", len(LABELS)],
        "embedding": ["N", 3],
        "features": ["N", 3, SIZE // _PATCH, SIZE // _PATCH],
    }
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@functools.cache
def _files(weights: str, leaning: Leaning) -> tuple[dict[str, bytes], dict[str, Encoding]]:
    """Every file of a version but its contract, and how its weights are stored."""
    model = _graph(leaning)
    graph, encodings = encode(model, weights)
    tfjs = write_tfjs(model, encodings)
    files = {"model.onnx": graph.SerializeToString()}
    files |= {f"tfjs/{path}": data for path, data in tfjs.items()}
    cases = []
    for colour in ("red", "yellow"):
        path = f"golden/{colour}.png"
        files[path] = encoded(picture(colour, SHORTER_EDGE, SHORTER_EDGE), "PNG")
        # At the size of the resize, the network's input is the centre of the picture itself.
        edge = (SHORTER_EDGE - SIZE) // 2
        pixels = np.asarray(picture(colour, SHORTER_EDGE, SHORTER_EDGE))[edge : edge + SIZE, edge : edge + SIZE]
        answer = logits(pixels[None], leaning)[0].astype(np.float32)
        cases.append(Case(colour, path, input_sha256(pixels), answer))
    return {**files, "golden/golden.json": golden.dump(cases)}, locate(tfjs, encodings)


def _contract(name: str, version: str, files: dict[str, bytes], changes: dict[str, Any]) -> Contract:
    def tensor(name: str, shape: list[int | None], dtype: str = "float32") -> dict[str, Any]:
        return {"name": name, "shape": shape, "dtype": dtype}

    def graph(path: str, dtype: str, features: list[int | None]) -> dict[str, Any]:
        return {
            "path": path,
            "input": tensor("image", [None, SIZE, SIZE, 3], dtype),
            "logits": tensor("logits", [None, len(LABELS)]),
            "embedding": tensor("embedding", [None, 3]),
            "features": tensor("features", features),
        }

    patches = SIZE // _PATCH
    digest = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    fields = {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": name, "version": version, "architecture": "colours"},
        "labels": [{"name": label, "display": {"en": label.capitalize()}} for label in LABELS],
        "formats": {
            "server": ["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"],
            "browser": ["jpeg", "png", "webp", "gif", "bmp", "avif"],
        },
        "decode": DECODE,
        "resize": RESIZE,
        "crop": {"height": SIZE, "width": SIZE, "position": "center"},
        "normalize": {"scale": 1 / 255, "mean": (0, 0, 0), "std": (1, 1, 1)},
        "graphs": {
            "onnx": graph("model.onnx", "uint8", [None, 3, patches, patches]),
            "tfjs": graph("tfjs/model.json", "int32", [None, patches, patches, 3]),
        },
        "embedding_size": 3,
        "class_map": {"tfjs_weight": "weight", "onnx_initializer": "weight"},
        "temperature": 1.0,
        "not_sure": {"threshold": 0.5, "rule": "made up for tests"},
        "files": [{"path": path, "sha256": digest[path], "bytes": len(data)} for path, data in files.items()],
        "dataset": {"digest": hashlib.sha256(b"made").hexdigest(), "counts": {"train": 0}},
        "golden": {
            "path": "golden/golden.json",
            "sha256": digest["golden/golden.json"],
            "tolerances": {"logits": 1e-4, "score_lossy": 0.02},
        },
    }
    return Contract.model_validate({**fields, **changes})
