"""Operations that compute each number by itself, and those that combine two tensors number by number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import onnx
from numpy.typing import NDArray

from training.tfjs.layout import Layout
from training.tfjs.operations.convolution import scaled
from training.tfjs.operations.table import operation

if TYPE_CHECKING:
    from training.tfjs.convert import Walk

_BINARY: Final = {"Add": "AddV2", "Div": "RealDiv", "Mul": "Mul", "Sub": "Sub"}
_UNARY: Final = {"Sigmoid": "Sigmoid", "Tanh": "Tanh"}
# GELU(x) = x * Phi(x), and Phi, the normal distribution, is sigmoid(x * P(x * x)) with P of the fourth degree, fitted
# for the least largest error of x * Phi(x) over all x, 3.1e-6. TensorFlow.js has an Erf too, which alone is ten times
# slower on wasm than all of this together. P is a factor times two squares, each with something added to it, which is
# fewer passes over the tensor than powers are.
_NORMAL_FACTOR: Final = 2.22584091e-6
_NORMAL_QUADRATICS: Final = ((-17.6926219, 113.164138), (31.3826792, 697.176278))


@operation("Mul")
def _multiply(walk: Walk, node: onnx.NodeProto) -> None:
    """A product, together with the sum that alone reads it where both are with a constant for each channel."""
    reader = walk.only_reader(node.output[0])
    source = next(name for name in node.input if walk.values[name].array is None)
    order = walk.values[source].layout.order()
    if reader is not None and reader.op_type == "Add" and len(order) == 4:
        scale = _per_channel(walk, node, source, order)
        offset = _per_channel(walk, reader, node.output[0], order)
        if scale is not None and offset is not None:
            scaled(walk, source, walk.take(reader), order, scale, offset)
            return
    _binary(walk, node)


def _per_channel(
    walk: Walk, node: onnx.NodeProto, source: str, order: tuple[int, ...]
) -> tuple[str, NDArray[Any]] | None:
    """The constant that a node combines an activation with, and its name, if it only varies along the last axis."""
    names = [name for name in node.input if name != source]
    array = walk.values[names[0]].array if len(names) == 1 and names[0] in walk.values else None
    if array is None or array.ndim > len(order):
        return None
    full = array.reshape((1,) * (len(order) - array.ndim) + array.shape).transpose(order)
    along = full.size == full.shape[-1] == walk.shape(source)[order[-1]]
    return (names[0], full.flatten()) if along else None


@operation("Add", "Div", "Sub")
def _binary(walk: Walk, node: onnx.NodeProto) -> None:
    shape = walk.shape(node.output[0])
    operands = [walk.values[name] for name in node.input]
    leading = max(
        (value for value in operands if value.array is None),
        key=lambda value: (len(value.layout.axes) == len(shape), math.prod(value.layout.shape)),
    )
    order = leading.layout.order()
    if len(order) != len(shape):
        order = tuple(range(len(shape)))
    inputs = []
    for name, value in zip(node.input, operands, strict=True):
        if value.array is not None:
            inputs.append(_operand(walk, name, value.array, order))
        elif len(value.layout.axes) == len(shape):
            inputs.append(walk.arranged(name, order))
        else:
            walk.refuse(node, "its operands have different numbers of axes")
    found = walk.add(_BINARY[node.op_type], node.output[0], inputs, [shape[axis] for axis in order])
    walk.bind(node.output[0], found, Layout.plain(shape, order))


def _operand(walk: Walk, name: str, array: NDArray[Any], order: tuple[int, ...]) -> str:
    """A constant operand with its axes in the order of the activation that it is combined with."""
    if array.size == 1:
        return walk.scalar(float(array.reshape(())))
    full = array.reshape((1,) * (len(order) - array.ndim) + array.shape)
    return walk.constant(name, full.transpose(order))


@operation("Relu", "Clip")
def _rectifier(walk: Walk, node: onnx.NodeProto) -> None:
    op = walk.rectifier(node)
    if op is None:
        walk.refuse(node, "only the bounds of ReLU and ReLU6 are known")
    _apply(walk, node, op, not_negative=True)


@operation(*_UNARY)
def _unary(walk: Walk, node: onnx.NodeProto) -> None:
    _apply(walk, node, _UNARY[node.op_type], not_negative=node.op_type == "Sigmoid")


def _apply(walk: Walk, node: onnx.NodeProto, op: str, *, not_negative: bool) -> None:
    layout = walk.activation(node).layout
    source = walk.single(node.input[0])
    found = walk.add(op, node.output[0], [source], walk.dims(source))
    walk.bind(node.output[0], found, layout, not_negative=not_negative)


@operation("Gelu")
def _gelu(walk: Walk, node: onnx.NodeProto) -> None:
    layout = walk.activation(node).layout
    if walk.attributes(node, approximate=b"none")["approximate"] != b"none":
        walk.refuse(node, "only the exact GELU is known")
    x = walk.single(node.input[0])
    dims = walk.dims(x)

    def step(op: str, *inputs: str) -> str:
        return walk.add(op, f"{node.output[0]}.gelu", inputs, dims)

    square = step("Mul", x, x)
    one, other = (
        step("AddV2", step("SquaredDifference", square, walk.scalar(middle)), walk.scalar(above))
        for middle, above in _NORMAL_QUADRATICS
    )
    odd = step("Mul", step("Mul", step("Mul", one, other), walk.scalar(_NORMAL_FACTOR)), x)
    walk.bind(node.output[0], step("Mul", step("Sigmoid", odd), x), layout)
