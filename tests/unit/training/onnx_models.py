"""Tiny ONNX models for tests of the direct writer."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIZE = 8


def model(
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, NDArray[np.generic]],
    outputs: Sequence[str],
    channels: int = 3,
    *,
    scaled: bool = False,
) -> onnx.ModelProto:
    """A model that takes uint8 (N, 8, 8, channels).

    :param nodes: what is done with ``x``, the input as float32, channels first.
    :param weights: initializers by name.
    :param scaled: bring ``x`` to -2 to 2.
    """
    constants = {**weights, "quarter": np.array(1 / 64, np.float32), "two": np.array(-2, np.float32)}
    scaling = [
        helper.make_node("Mul", ["float", "quarter"], ["small"]),
        helper.make_node("Add", ["small", "two"], ["pixels"]),
    ]
    start = [
        helper.make_node("Cast", ["image"], ["float" if scaled else "pixels"], to=TensorProto.FLOAT),
        *(scaling if scaled else []),
        helper.make_node("Transpose", ["pixels"], ["x"], perm=[0, 3, 1, 2]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIZE, SIZE, channels])
    built = helper.make_model(
        helper.make_graph(
            [*start, *nodes],
            "test",
            [image],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    return onnx.shape_inference.infer_shapes(built)
