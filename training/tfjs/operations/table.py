"""The table of operations, and the attributes that many TensorFlow.js nodes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import onnx

from training.tfjs.graph import Attributes, integers, text, texts

if TYPE_CHECKING:
    from training.tfjs.convert import Walk

Operation = Callable[["Walk", onnx.NodeProto], None]
OPERATIONS: Final[dict[str, Operation]] = {}

# ONNX' axes (batch, channels, height, width) in the order in which TensorFlow.js is fast.
CHANNELS_LAST: Final = (0, 2, 3, 1)
NHWC: Final[Attributes] = {"data_format": text("NHWC")}


def operation(*names: str) -> Callable[[Operation], Operation]:
    """Enter a function in the table under the names of ONNX operations."""

    def enter(function: Operation) -> Operation:
        OPERATIONS.update(dict.fromkeys(names, function))
        return function

    return enter


def padding(pads: Sequence[int]) -> Attributes:
    """The padding of a convolution.

    :param pads: top, left, bottom and right, as ONNX has them.
    """
    if not any(pads):
        return {"padding": text("VALID"), "explicit_paddings": integers([])}
    top, left, bottom, right = pads
    return {"padding": text("EXPLICIT"), "explicit_paddings": integers([0, 0, top, bottom, left, right, 0, 0])}


def fused(activation: str | None) -> Attributes:
    """A bias and perhaps a ReLU or ReLU6, computed with the operation itself."""
    ops = ["BiasAdd", activation] if activation else ["BiasAdd"]
    return {"fused_ops": texts(ops), "num_args": {"i": "1"}, "epsilon": {"f": 0.0}}
