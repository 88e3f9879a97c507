"""Write web/tests/golden/weights.json, which the page's weights.ts is held to: what the writer of TensorFlow.js files
publishes of integer weights, and the float32 numbers that they stand for.

``python -m tests.unit.training.weights_golden`` writes the file anew; a test fails where it is another one. It lies
here, not beside the maker of the other golden files, because only tests may import training.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.integers import integer_limit
from training.onnx_graph import encode
from training.tfjs.files import locate, write_tfjs

PATH: Final = Path(__file__).parents[3] / "web" / "tests" / "golden" / "weights.json"


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


def text() -> str:
    """What the file should hold."""
    lines = ",\n".join(json.dumps(case) for case in weights_cases())
    return f"[\n{lines}\n]\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
