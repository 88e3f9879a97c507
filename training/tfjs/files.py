"""The files of a TensorFlow.js graph model: ``model.json`` and its shards of weights.

Format: ``GraphModel`` artifacts of tfjs-converter 4.22 (``format``, ``modelTopology``, ``signature``,
``weightsManifest``); float16 weights use its ``quantization`` entry, so stock ``tf.loadGraphModel`` reads them.
Integers have an entry of the same form that it does not know, and refuses; the page's ``weights.ts`` reads them, with
their scales and what the contract says of both.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from training.halves import exact_float16
from training.integers import Integers, integers
from training.tfjs.convert import Walk
from training.tfjs.graph import DTYPES, kind, shape_of
from training.tfjs.layout import Shape
from twinlens import __version__
from twinlens.contract import Encoding, IntegerEncoding, StoredIntegers
from twinlens.errors import TwinlensError

MODEL: Final = "model.json"
# Hosts give out a name that ends in .gz with a Content-Encoding, and the browser opens it before its digest is checked.
PACKED: Final = ".gz.bin"
FLOAT16: Final = {"dtype": "float16", "original_dtype": "float32"}
INTEGERS: Final = {"dtype": "int8", "original_dtype": "float32"}
# Under the 4 MB that browsers cache well and that a slow line fetches in seconds.
SHARD_BYTES: Final = 4_000_000


def write_tfjs(model: onnx.ModelProto, encodings: Mapping[str, Encoding]) -> dict[str, bytes]:
    """Convert an ONNX model.

    :param model: a model with float32 initializers, uint8 (N, height, width, 3) in.
    :param encodings: the encoding of each initializer of weights, as :func:`training.onnx_graph.encode` gives them.
    :return: the files' bytes by name: ``model.json``, and shards under 4 MB named by their content, which are
        compressed with gzip if a tensor among them is of integers.
    :raises TwinlensError: ``unsupported_operation`` naming the first node that cannot be converted;
        ``export_mismatch`` for a weight whose encoding does not hold its numbers.
    """
    walk = Walk(model)
    graph = walk.run()
    stored = [
        part for name, array in graph.constants.items() for part in _stored(name, array, graph.sources[name], encodings)
    ]
    packed = any(part.array.dtype == np.int8 for part in stored)
    if packed:
        # Integers side by side: what is alike shares a Huffman table.
        stored.sort(key=lambda part: part.array.dtype != np.int8)
    blob = b"".join(part.array.astype(part.array.dtype.newbyteorder("<")).tobytes() for part in stored)
    files = shard_files(blob, packed)
    document = {
        "format": "graph-model",
        "generatedBy": f"twinlens {__version__}",
        "convertedBy": None,
        "signature": {
            "inputs": {name: _tensor("DT_INT32", *result) for name, result in walk.inputs.items()},
            "outputs": {name: _tensor("DT_FLOAT", *result) for name, result in walk.outputs.items()},
        },
        "modelTopology": {"node": graph.nodes, "library": {}, "versions": {"producer": 1882}},
        "weightsManifest": [{"paths": list(files), "weights": [part.entry for part in stored]}],
    }
    return {MODEL: json.dumps(document, separators=(",", ":")).encode(), **files}


def shard_files(blob: bytes, packed: bool = False) -> dict[str, bytes]:
    """Cut the bytes of all weights into files under 4 MB, named by their content.

    :param packed: whether to compress each with gzip.
    """
    shards = [blob[start : start + SHARD_BYTES] for start in range(0, len(blob), SHARD_BYTES)]
    if packed:
        shards = [_gzip(shard) for shard in shards]
    end = PACKED if packed else ".bin"
    return {f"weights.{hashlib.sha256(shard).hexdigest()[:16]}{end}": shard for shard in shards}


def locate(files: Mapping[str, bytes], encodings: Mapping[str, Encoding]) -> dict[str, Encoding]:
    """Say where TensorFlow.js keeps the integers of each tensor.

    :param files: what :func:`write_tfjs` gave.
    :param encodings: what it was given.
    """
    manifest = json.loads(files[MODEL])["weightsManifest"]
    entries = {entry["name"]: entry for group in manifest for entry in group["weights"]}
    parts: dict[str, list[StoredIntegers]] = {name: [] for name in encodings}
    for name, entry in entries.items():
        if entry.get("quantization") == INTEGERS:
            scales = f"{name}.scales"
            axes = [axis for axis, size in enumerate(entries[scales]["shape"]) if size > 1]
            parts[_origin(name, encodings)].append(StoredIntegers(name=name, axes=axes, scales=scales))
    return {
        name: encoding.model_copy(update={"tfjs": parts[name]}) if isinstance(encoding, IntegerEncoding) else encoding
        for name, encoding in encodings.items()
    }


class _Stored(NamedTuple):
    entry: dict[str, Any]
    array: NDArray[Any]


def _stored(name: str, array: NDArray[Any], source: str, encodings: Mapping[str, Encoding]) -> list[_Stored]:
    """A constant as it is stored: itself in one of the manifest's types, or its integers and their scales.

    :param source: the initializer that its numbers come from, if from one.
    """
    dtype = {"DT_FLOAT": "float32", "DT_INT32": "int32"}[DTYPES[array.dtype]]
    entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": dtype}
    origin = _origin(source, encodings)
    encoding = encodings[origin].encoding if origin else "float32"
    if dtype != "float32" or encoding == "float32":
        return [_Stored(entry, array)]
    if encoding == "integer" and (whole := _whole(array)) is not None:
        scales = {"name": f"{name}.scales", "shape": list(whole.scales.shape), "dtype": dtype}
        return [_Stored({**entry, "quantization": INTEGERS}, whole.values), _Stored(scales, whole.scales)]
    half = exact_float16(array) if encoding == "float16" and (origin == name or array.ndim >= 2) else None
    if half is not None:
        return [_Stored({**entry, "quantization": FLOAT16}, half)]
    if origin == name:
        raise TwinlensError(
            "export_mismatch", f"Weight {name} is said to be {encoding}, but {encoding} does not hold its numbers."
        )
    # What the writer has made of a weight may be no number that its encoding holds.
    return [_Stored(entry, array)]


def _origin(name: str, encodings: Mapping[str, Encoding]) -> str:
    """The weight that a constant comes from: the one of its name, or of ``NAME`` for a part ``NAME.…``; else ``""``."""
    while name and name not in encodings:
        name = name.rpartition(".")[0]
    return name


def _whole(array: NDArray[np.float32]) -> Integers | None:
    """A kernel as integers; its output channels lie last, those of a depthwise convolution along the last two axes."""
    if array.ndim < 2:
        return None
    last = array.ndim - 1
    return integers(array, (last,)) or integers(array, (last - 1, last))


def _gzip(data: bytes) -> bytes:
    """Compress, to the same bytes at any time. Weights repeat nothing: it is the Huffman code alone that counts."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL + 1, zlib.Z_FILTERED)
    return packer.compress(data) + packer.flush()


def _tensor(dtype: str, node: str, shape: Shape) -> dict[str, Any]:
    return {"name": f"{node}:0", "dtype": kind(dtype)["type"], "tensorShape": shape_of(shape)}
