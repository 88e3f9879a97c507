"""Make the official converter's graph model keep the contract: names, dtypes, order, encoding of the weights.

Nothing that the graph computes is changed. TensorFlow names the outputs ``output_0`` .. and the weights ``unknown_17``,
orders outputs by chance, and either stores float32 or rounds every weight to float16, those too that were not rounded
to it before. Here a weight is stored as float16 only if that holds its numbers exactly, so that page and server run
on the same ones.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from training.halves import exact_float16
from training.tfjs.files import FLOAT16, MODEL, shard_files
from twinlens.errors import TwinlensError

_DTYPES: Final = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4"), "bool": np.dtype(np.bool_)}
# How TensorFlow keeps an ONNX weight, by its rank: convolutions (also depthwise ones) and matrices, turned or not.
_ORDERS: Final = {2: ((1, 0), (0, 1)), 4: ((2, 3, 1, 0), (2, 3, 0, 1), (0, 1, 2, 3))}


def adopt(files: Mapping[str, bytes], model: onnx.ModelProto) -> dict[str, bytes]:
    """Rewrite a graph model.

    :param files: ``model.json`` and the shards that it names, as tensorflowjs_converter wrote them.
    :param model: the ONNX model that it was converted from, with its weights as float32.
    :return: ``model.json`` and the shards anew, named by content, readable by stock ``tf.loadGraphModel``. Its input
        is int32; its outputs have the names and the order of the ONNX model's; a weight of two or more dimensions
        that holds the numbers of an ONNX initializer has its name.
    :raises TwinlensError: ``export_mismatch`` if the graph model is not of the expected form.
    """
    document = json.loads(files[MODEL])
    nodes = document["modelTopology"]["node"]
    document["signature"] = {
        "inputs": _inputs(document, nodes, model),
        "outputs": _outputs(document, [output.name for output in model.graph.output]),
    }
    weights = dict(_read(document, files))
    names = _names(weights, model, {node["name"] for node in nodes})
    for node in nodes:
        node["name"] = names.get(node["name"], node["name"])
        node["input"] = [_renamed(name, names) for name in node.get("input", [])]
    entries, blob = _encoded({names.get(name, name): array for name, array in weights.items()})
    written = shard_files(blob)
    document["weightsManifest"] = [{"paths": list(written), "weights": entries}]
    return {MODEL: json.dumps(document, separators=(",", ":")).encode(), **written}


def weight_names(files: Mapping[str, bytes]) -> set[str]:
    """The names of a graph model's weights."""
    document = json.loads(files[MODEL])
    return {entry["name"] for group in document["weightsManifest"] for entry in group["weights"]}


def _inputs(document: dict[str, Any], nodes: list[dict[str, Any]], model: onnx.ModelProto) -> dict[str, Any]:
    """The one input, as int32: TensorFlow.js has no uint8 tensors."""
    (image,) = model.graph.input
    found = list(document["signature"]["inputs"].values())
    if len(found) != 1:
        raise TwinlensError("export_mismatch", f"The converted graph has {len(found)} inputs instead of one.")
    (tensor,) = found
    placeholder = tensor["name"].partition(":")[0]
    for node in nodes:
        if node["name"] == placeholder:
            node["attr"]["dtype"] = {"type": "DT_INT32"}
        elif node["op"] == "Cast" and [name.partition(":")[0] for name in node["input"]] == [placeholder]:
            node["attr"]["SrcT"] = {"type": "DT_INT32"}
    return {image.name: {**tensor, "dtype": "DT_INT32"}}


def _outputs(document: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The outputs by the ONNX model's names.

    TensorFlow returns the results of a function through nodes ``Identity``, ``Identity_1``, .. in the order that
    onnx2tf gave them, which is that of ONNX. The keys of the signature say the same, but not where two are one tensor.
    """
    found = {tensor["name"].partition(":")[0]: tensor for tensor in document["signature"]["outputs"].values()}
    nodes = [f"Identity_{number}" if number else "Identity" for number in range(len(names))]
    if set(nodes) != set(found):
        raise TwinlensError(
            "export_mismatch", f"The converted graph has the outputs {', '.join(found)} instead of {', '.join(nodes)}."
        )
    return {name: found[node] for name, node in zip(names, nodes, strict=True)}


def _read(document: dict[str, Any], files: Mapping[str, bytes]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Name and array of each weight."""
    for group in document["weightsManifest"]:
        data, offset = b"".join(files[path] for path in group["paths"]), 0
        for entry in group["weights"]:
            dtype = _DTYPES.get(entry["dtype"])
            if dtype is None or "quantization" in entry:
                raise TwinlensError(
                    "export_mismatch", f"The converted graph has a weight of an unexpected type: {entry}."
                )
            count = math.prod(entry["shape"])
            yield entry["name"], np.frombuffer(data, dtype, count, offset).reshape(entry["shape"])
            offset += count * dtype.itemsize


def _names(weights: Mapping[str, NDArray[Any]], model: onnx.ModelProto, taken: set[str]) -> dict[str, str]:
    """By TensorFlow's name of a weight, the ONNX initializer's name where the numbers are the same."""
    known: dict[bytes, str] = {}
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if values.dtype == np.float32:
            for order in _ORDERS.get(values.ndim, ()):
                known.setdefault(_digest(values.transpose(order)), initializer.name)
    names: dict[str, str] = {}
    for name, array in weights.items():
        wanted = known.get(_digest(array))
        if wanted is not None and wanted not in taken:
            names[name] = wanted
            taken.add(wanted)
    return names


def _digest(array: NDArray[Any]) -> bytes:
    # Adding 0 makes -0 and 0, which are equal, the same bytes.
    return hashlib.sha256(repr((array.dtype.str, array.shape)).encode() + (array + 0).tobytes()).digest()


def _renamed(reference: str, names: Mapping[str, str]) -> str:
    """A node's input, ``name``, ``name:0`` or ``^name``, with the new name."""
    control = "^" if reference.startswith("^") else ""
    name, colon, port = reference.removeprefix("^").partition(":")
    return f"{control}{names.get(name, name)}{colon}{port}"


def _encoded(weights: Mapping[str, NDArray[Any]]) -> tuple[list[dict[str, Any]], bytes]:
    """The manifest's entries and the bytes, each tensor in the smallest encoding that holds its numbers exactly."""
    entries: list[dict[str, Any]] = []
    blob = bytearray()
    for name, array in weights.items():
        entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": _dtype_name(array)}
        stored = array
        half = exact_float16(array) if array.dtype == np.float32 and array.ndim >= 2 else None
        if half is not None:
            entry["quantization"] = FLOAT16
            stored = half
        entries.append(entry)
        blob += stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    return entries, bytes(blob)


def _dtype_name(array: NDArray[Any]) -> str:
    return next(name for name, dtype in _DTYPES.items() if dtype == array.dtype)
