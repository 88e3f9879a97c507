"""A graph model as tensorflowjs_converter writes one, and the ONNX model that it stands for: tiny, made by hand."""

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 8
# What float16 holds exactly, and what it does not.
CONV = (np.arange(4 * 3 * 3 * 3).reshape(4, 3, 3, 3) / 64).astype(np.float32)
MATRIX = (np.arange(2 * 4).reshape(2, 4) * 0.1).astype(np.float32)
BIAS = np.asarray([0.25, 0.5], np.float32)


def onnx_model() -> onnx.ModelProto:
    """Convolution (the features), mean (the embedding), matrix (the logits)."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "conv.weight"], ["features"], name="node_conv"),
        helper.make_node("ReduceMean", ["features", "axes"], ["embedding"], keepdims=0),
        helper.make_node("Gemm", ["embedding", "fc.weight", "fc.bias"], ["logits"], transB=1),
    ]
    weights = {"conv.weight": CONV, "fc.weight": MATRIX, "fc.bias": BIAS, "axes": np.array([2, 3])}
    shapes = {"logits": ["N", 2], "embedding": ["N", 4], "features": ["N", 4, 6, 6]}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def files() -> dict[str, bytes]:
    """The same, as TensorFlow's converter writes it: outputs in another order, its own names, float32 in one shard."""
    weights = {
        "unknown_1": MATRIX.T,
        "unknown_2": BIAS,
        "model/Mean/indices": np.asarray([1, 2], np.int32),
        "unknown": CONV.transpose(2, 3, 1, 0),
    }
    nodes: list[dict[str, Any]] = [
        {"name": name, "op": "Const", "attr": _const(array)} for name, array in weights.items()
    ]
    float_type = {"T": {"type": "DT_FLOAT"}}
    nodes += [
        {
            "name": "image",
            "op": "Placeholder",
            "attr": {"dtype": {"type": "DT_UINT8"}, "shape": _shape(-1, SIZE, SIZE, 3)},
        },
        {
            "name": "model/Cast",
            "op": "Cast",
            "input": ["image"],
            "attr": {"SrcT": {"type": "DT_UINT8"}, "DstT": {"type": "DT_FLOAT"}},
        },
        {
            "name": "model/Conv2D",
            "op": "Conv2D",
            "input": ["model/Cast", "unknown"],
            "attr": float_type
            | {
                "strides": {"list": {"i": ["1", "1", "1", "1"]}},
                "dilations": {"list": {"i": ["1", "1", "1", "1"]}},
                "padding": {"s": "VkFMSUQ="},
                "data_format": {"s": "TkhXQw=="},
            },
        },
        {
            "name": "model/Mean",
            "op": "Mean",
            "input": ["model/Conv2D", "model/Mean/indices"],
            "attr": float_type | {"keep_dims": {"b": False}},
        },
        {
            "name": "model/MatMul",
            "op": "MatMul",
            "input": ["model/Mean", "unknown_1:0", "^model/Conv2D"],
            "attr": float_type | {"transpose_a": {"b": False}, "transpose_b": {"b": False}},
        },
        {"name": "model/Add", "op": "AddV2", "input": ["model/MatMul", "unknown_2"], "attr": float_type},
        *(
            {"name": f"Identity{end}", "op": "Identity", "input": [source], "attr": float_type}
            for end, source in (("_2", "model/Conv2D"), ("_1", "model/Mean"), ("", "model/Add"))
        ),
    ]
    document = {
        "format": "graph-model",
        "generatedBy": "2.19.0",
        "convertedBy": "TensorFlow.js Converter v4.22.0",
        "signature": {
            "inputs": {"image": {"name": "image:0", "dtype": "DT_UINT8", "tensorShape": _dims(-1, SIZE, SIZE, 3)}},
            "outputs": {
                "output_2": {"name": "Identity_2:0", "dtype": "DT_FLOAT", "tensorShape": _dims(-1, 6, 6, 4)},
                "output_1": {"name": "Identity_1:0", "dtype": "DT_FLOAT", "tensorShape": _dims(-1, 4)},
                "output_0": {"name": "Identity:0", "dtype": "DT_FLOAT", "tensorShape": _dims(-1, 2)},
            },
        },
        "modelTopology": {"node": nodes, "library": {}, "versions": {"producer": 1882}},
        "weightsManifest": [
            {
                "paths": ["group1-shard1of1.bin"],
                "weights": [
                    {"name": name, "shape": list(array.shape), "dtype": str(array.dtype)}
                    for name, array in weights.items()
                ],
            }
        ],
    }
    blob = b"".join(np.ascontiguousarray(array).tobytes() for array in weights.values())
    return {"model.json": json.dumps(document).encode(), "group1-shard1of1.bin": blob}


def answers(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """What the network answers, features last-channel, computed in NumPy."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels.astype(np.float32), (3, 3), axis=(1, 2))
    features = np.einsum("nhwcyx,ocyx->nhwo", windows, CONV)
    embedding = features.mean(axis=(1, 2))
    return {"logits": embedding @ MATRIX.T + BIAS, "embedding": embedding, "features": features}


def _dims(*sizes: int) -> dict[str, Any]:
    return {"dim": [{"size": str(size)} for size in sizes]}


def _shape(*sizes: int) -> dict[str, Any]:
    return {"shape": _dims(*sizes)}


def _const(array: np.ndarray) -> dict[str, Any]:
    dtype = {"float32": "DT_FLOAT", "int32": "DT_INT32"}[str(array.dtype)]
    return {"dtype": {"type": dtype}, "value": {"tensor": {"dtype": dtype, "tensorShape": _dims(*array.shape)}}}
