"""The files of a TensorFlow.js graph model: ``model.json`` and its shards of weights.

Format: ``GraphModel`` artifacts of tfjs-converter 4.22 (``format``, ``modelTopology``, ``signature``,
``weightsManifest``); float16 weights use its ``quantization`` entry, so stock ``tf.loadGraphModel`` reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx

from training.tfjs.convert import Walk
from training.tfjs.graph import DTYPES, kind, shape_of
from training.tfjs.layout import Shape
from twinlens import __version__
from twinlens.contract import WeightEncoding
from twinlens.errors import TwinlensError

MODEL: Final = "model.json"
# Under the 4 MB that browsers cache well and that a slow line fetches in seconds.
SHARD_BYTES: Final = 4_000_000


def write_tfjs(model: onnx.ModelProto, encodings: Mapping[str, WeightEncoding]) -> dict[str, bytes]:
    """Convert an ONNX model.

    :param model: a model with float32 initializers, uint8 (N, height, width, 3) in.
    :param encodings: the encoding of each initializer of weights, as :func:`training.onnx_graph.encode` gives them.
    :return: the files' bytes by name: ``model.json``, and shards under 4 MB named by their content.
    :raises TwinlensError: ``unsupported_operation`` naming the first node that cannot be converted.
    """
    walk = Walk(model)
    graph = walk.run()
    entries: list[dict[str, Any]] = []
    blob = bytearray()
    for name, array in graph.constants.items():
        dtype = {"DT_FLOAT": "float32", "DT_INT32": "int32"}[DTYPES[array.dtype]]
        entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": dtype}
        known = encodings.get(graph.sources[name])
        if known is not None and known.encoding == "float16":
            half = array.astype(np.float16)
            if not np.array_equal(half.astype(np.float32), array):
                raise TwinlensError(
                    "export_mismatch", f"Weight {name} is said to be float16, but float16 does not hold its numbers."
                )
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            array = half
        entries.append(entry)
        blob += array.astype(array.dtype.newbyteorder("<")).tobytes()
    shards = [bytes(blob[start : start + SHARD_BYTES]) for start in range(0, len(blob), SHARD_BYTES)]
    files = {f"weights.{hashlib.sha256(shard).hexdigest()[:16]}.bin": shard for shard in shards}
    document = {
        "format": "graph-model",
        "generatedBy": f"twinlens {__version__}",
        "convertedBy": None,
        "signature": {
            "inputs": {name: _tensor("DT_INT32", *result) for name, result in walk.inputs.items()},
            "outputs": {name: _tensor("DT_FLOAT", *result) for name, result in walk.outputs.items()},
        },
        "modelTopology": {"node": graph.nodes, "library": {}, "versions": {"producer": 1882}},
        "weightsManifest": [{"paths": list(files), "weights": entries}],
    }
    return {MODEL: json.dumps(document, separators=(",", ":")).encode(), **files}


def _tensor(dtype: str, node: str, shape: Shape) -> dict[str, Any]:
    return {"name": f"{node}:0", "dtype": kind(dtype)["type"], "tensorShape": shape_of(shape)}
