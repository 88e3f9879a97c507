"""The table of operations: how each ONNX operation is written for TensorFlow.js, one small function each.

What makes the result fast on the wasm backend: bias and ReLU are fused into the convolution before them, symmetric
padding is EXPLICIT on the convolution itself, and global averages are pools, which need no transpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from training.tfjs.graph import Attributes, flag, integers, kind, text, texts

if TYPE_CHECKING:
    from training.tfjs.convert import Walk

Operation = Callable[["Walk", onnx.NodeProto], None]
OPERATIONS: dict[str, Operation] = {}

_TO_CHANNELS_LAST = (0, 2, 3, 1)
_TO_CHANNELS_FIRST = [0, 3, 1, 2]
_NHWC: Attributes = {"data_format": text("NHWC")}


def operation(*names: str) -> Callable[[Operation], Operation]:
    """Enter a function in the table under the names of ONNX operations."""

    def enter(function: Operation) -> Operation:
        OPERATIONS.update(dict.fromkeys(names, function))
        return function

    return enter


@operation("Cast")
def _cast(walk: Walk, node: onnx.NodeProto) -> None:
    source = walk.activation(node)
    if walk.attributes(node, to=None)["to"] != onnx.TensorProto.FLOAT:
        walk.refuse(node, "only casts to float32 are known")
    name = walk.graph.add("Cast", node.output[0], [source.node], {"SrcT": kind("DT_INT32"), "DstT": kind("DT_FLOAT")})
    walk.bind(node, type(source)(name))


@operation("Transpose")
def _transpose(walk: Walk, node: onnx.NodeProto) -> None:
    source = walk.activation(node)
    if source.channels_last or walk.attributes(node, perm=None)["perm"] != _TO_CHANNELS_FIRST:
        walk.refuse(node, "only the change from channels last to channels first is known")
    walk.bind(node, type(source)(source.node, channels_last=True))


@operation("Add", "Mul")
def _binary(walk: Walk, node: onnx.NodeProto) -> None:
    rank = len(walk.shape(node.output[0]))
    values = [walk.values[name] for name in node.input]
    channels_last = any(value.channels_last for value in values)
    inputs = []
    for name, value in zip(node.input, values, strict=True):
        if value.array is not None:
            inputs.append(walk.constant(name, _operand(value.array, rank, channels_last)))
        elif value.channels_last == channels_last:
            inputs.append(value.node)
        else:
            walk.refuse(node, "one operand is channels last, the other is not")
    op = {"Add": "AddV2", "Mul": "Mul"}[node.op_type]
    name = walk.graph.add(op, node.output[0], inputs, {"T": kind("DT_FLOAT")})
    walk.bind(node, type(values[0])(name, channels_last))


def _operand(array: NDArray[Any], rank: int, channels_last: bool) -> NDArray[Any]:
    """A constant operand in the order of the activation that it is combined with."""
    if not channels_last or array.ndim == 0:
        return array
    full = array.reshape((1,) * (rank - array.ndim) + array.shape)
    return full.transpose(_TO_CHANNELS_LAST)


@operation("Conv")
def _convolution(walk: Walk, node: onnx.NodeProto) -> None:
    source = walk.activation(node)
    weight = walk.array(node, 1)  # (out, in / groups, height, width)
    at = walk.attributes(
        node, auto_pad=b"NOTSET", dilations=[1, 1], group=1, kernel_shape=None, pads=[0, 0, 0, 0], strides=[1, 1]
    )
    channels = walk.shape(node.input[0])[1]
    if weight.ndim != 4 or at["auto_pad"] != b"NOTSET":
        walk.refuse(node, "only two-dimensional convolutions with explicit padding are known")
    if at["group"] == 1:
        op, kernel = "_FusedConv2D", weight.transpose(2, 3, 1, 0)
    elif at["group"] == channels and weight.shape[1] == 1:
        multiplier = weight.shape[0] // at["group"]
        op = "FusedDepthwiseConv2dNative"
        kernel = weight.reshape(at["group"], multiplier, *weight.shape[2:]).transpose(2, 3, 0, 1)
    else:
        walk.refuse(node, f"a convolution of {at['group']} groups over {channels} channels is not known")
    bias = walk.array(node, 2) if len(node.input) > 2 else np.zeros(weight.shape[0], np.float32)
    bias_name = node.input[2] if len(node.input) > 2 else f"{node.input[1]}.no_bias"
    end, activation = walk.fuse_activation(node)
    inputs = [source.node, walk.constant(node.input[1], kernel), walk.constant(bias_name, bias)]
    attributes = {
        "strides": integers([1, *at["strides"], 1]),
        "dilations": integers([1, *at["dilations"], 1]),
        **_padding(at["pads"]),
        **_NHWC,
        **_fused(activation),
    }
    walk.emit(end, op, inputs, attributes, not_negative=activation is not None)


def _padding(pads: list[int]) -> Attributes:
    if not any(pads):
        return {"padding": text("VALID"), "explicit_paddings": integers([])}
    top, left, bottom, right = pads
    return {"padding": text("EXPLICIT"), "explicit_paddings": integers([0, 0, top, bottom, left, right, 0, 0])}


def _fused(activation: str | None) -> Attributes:
    fused = ["BiasAdd", activation] if activation else ["BiasAdd"]
    return {"fused_ops": texts(fused), "num_args": {"i": "1"}, "epsilon": {"f": 0.0}}


@operation("Gemm")
def _gemm(walk: Walk, node: onnx.NodeProto) -> None:
    source = walk.activation(node)
    at = walk.attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0)
    if (at["alpha"], at["beta"], at["transA"]) != (1.0, 1.0, 0):
        walk.refuse(node, "only x @ w + b is known")
    weight = walk.array(node, 1).T if at["transB"] else walk.array(node, 1)
    bias = walk.array(node, 2) if len(node.input) > 2 else np.zeros(weight.shape[1], np.float32)
    bias_name = node.input[2] if len(node.input) > 2 else f"{node.input[1]}.no_bias"
    end, activation = walk.fuse_activation(node)
    inputs = [source.node, walk.constant(node.input[1], weight), walk.constant(bias_name, bias)]
    attributes = {"transpose_a": flag(False), "transpose_b": flag(False), **_fused(activation)}
    walk.emit(end, "_FusedMatMul", inputs, attributes)


@operation("Relu", "Clip")
def _rectifier(walk: Walk, node: onnx.NodeProto) -> None:
    op = walk.rectifier(node)
    if op is None:
        walk.refuse(node, "only the bounds of ReLU and ReLU6 are known")
    walk.emit(node, op, [walk.activation(node).node], {}, not_negative=True)


@operation("Sigmoid")
def _sigmoid(walk: Walk, node: onnx.NodeProto) -> None:
    walk.emit(node, "Sigmoid", [walk.activation(node).node], {}, not_negative=True)


@operation("MaxPool")
def _max_pool(walk: Walk, node: onnx.NodeProto) -> None:
    source = walk.activation(node)
    at = walk.attributes(
        node,
        auto_pad=b"NOTSET",
        ceil_mode=0,
        dilations=[1, 1],
        kernel_shape=None,
        pads=[0, 0, 0, 0],
        storage_order=0,
        strides=[1, 1],
    )
    if at["ceil_mode"] or at["auto_pad"] != b"NOTSET" or list(at["dilations"]) != [1, 1]:
        walk.refuse(node, "ceil_mode, auto_pad and dilations of a pool are not known")
    pooled = source.node
    if any(at["pads"]):
        # TensorFlow.js pools take no EXPLICIT padding; after a ReLU, 0 is as low as any value.
        top, left, bottom, right = at["pads"]
        lowest = np.float32(0 if source.not_negative else np.finfo(np.float32).min)
        pooled = walk.graph.add(
            "PadV2",
            f"{node.output[0]}.padded",
            [
                source.node,
                walk.constant(
                    f"{node.output[0]}.paddings", np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
                ),
                walk.constant(f"{node.output[0]}.lowest", np.array(lowest)),
            ],
            {"T": kind("DT_FLOAT"), "Tpaddings": kind("DT_INT32")},
        )
    attributes = {
        "ksize": integers([1, *at["kernel_shape"], 1]),
        "strides": integers([1, *at["strides"], 1]),
        **_padding([0, 0, 0, 0]),
        **_NHWC,
    }
    walk.emit(node, "MaxPool", [pooled], attributes, not_negative=source.not_negative)


@operation("ReduceMean")
def _global_average(walk: Walk, node: onnx.NodeProto) -> None:
    source = walk.activation(node)
    at = walk.attributes(node, keepdims=1, noop_with_empty_axes=0)
    axes = sorted(int(axis) % 4 for axis in walk.array(node, 1))
    if not source.channels_last or axes != [2, 3] or not at["keepdims"]:
        walk.refuse(node, "only the mean over height and width, with its dimensions kept, is known")
    _, _, height, width = walk.shape(node.input[0])
    assert height is not None and width is not None, "only the batch is dynamic"
    size = integers([1, height, width, 1])
    attributes = {"ksize": size, "strides": size, **_padding([0, 0, 0, 0]), **_NHWC}
    walk.emit(node, "AvgPool", [source.node], attributes, not_negative=source.not_negative)


@operation("Reshape", "Flatten")
def _flatten(walk: Walk, node: onnx.NodeProto) -> None:
    source = walk.activation(node)
    before, after = walk.shape(node.input[0]), walk.shape(node.output[0])
    if len(after) != 2 or (source.channels_last and before[2:] != (1, 1)):
        walk.refuse(node, "only (N, C, 1, 1) to (N, C) is known")
    size = before[1]
    assert size is not None, "only the batch is dynamic"
    shape = walk.constant(f"{node.output[0]}.shape", np.array([-1, size], np.int32))
    walk.emit(node, "Reshape", [source.node, shape], {"Tshape": kind("DT_INT32")})
