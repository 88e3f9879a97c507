"""Products of matrices: linear layers, whose second matrix is constant, and the products within attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from training.tfjs.graph import flag
from training.tfjs.layout import Atom, Layout, times
from training.tfjs.operations.table import fused, operation

if TYPE_CHECKING:
    from training.tfjs.convert import Walk


def reordered(array: NDArray[Any], axis: Sequence[Atom], memory: Sequence[Atom]) -> NDArray[Any]:
    """A constant whose first axis goes with an activation's, in the order in which that lies in memory.

    This is why a flattened image needs no transpose before a linear layer: the layer's weights are moved instead.
    """
    split = array.reshape(*(atom.size for atom in axis), *array.shape[1:])
    permutation = [list(axis).index(atom) for atom in memory]
    return split.transpose(*permutation, *range(len(axis), split.ndim)).reshape(array.shape)


@operation("Gemm")
def _gemm(walk: Walk, node: onnx.NodeProto) -> None:
    walk.activation(node)
    at = walk.attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0)
    if (at["alpha"], at["beta"], at["transA"]) != (1.0, 1.0, 0):
        walk.refuse(node, "only x @ w + b is known")
    weight = walk.array(node, 1).T if at["transB"] else walk.array(node, 1)
    bias = walk.optional(node, 2)
    _linear(walk, node, node, weight, None if bias is None else (node.input[2], bias))


@operation("MatMul")
def _product(walk: Walk, node: onnx.NodeProto) -> None:
    walk.activation(node)
    second = walk.values[node.input[1]]
    if second.array is None:
        _activations(walk, node)
    elif second.array.ndim != 2:
        walk.refuse(node, "the constant that it multiplies by must be a matrix")
    else:
        reader = walk.only_reader(node.output[0])
        bias = _bias(walk, node, reader, second.array.shape[1])
        end = walk.take(reader) if reader is not None and bias is not None else node
        _linear(walk, node, end, second.array, bias)


def _bias(
    walk: Walk, node: onnx.NodeProto, reader: onnx.NodeProto | None, size: int
) -> tuple[str, NDArray[Any]] | None:
    """The constant that a product's only reader adds to each of its rows, with its name."""
    if reader is not None and reader.op_type == "Add":
        (other,) = [name for name in reader.input if name != node.output[0]] or [""]
        array = walk.values[other].array if other in walk.values else None
        if array is not None and array.shape == (size,):
            return other, array
    return None


def _linear(
    walk: Walk,
    node: onnx.NodeProto,
    end: onnx.NodeProto,
    weight: NDArray[Any],
    bias: tuple[str, NDArray[Any]] | None,
) -> None:
    """The last axis of an activation times a constant matrix (in, out), whatever the other axes are."""
    layout = walk.values[node.input[0]].layout
    source, outer, inner = walk.rows(node.input[0])
    end, activation = walk.fuse_activation(end)
    name, values = bias or (f"{node.input[1]}.no_bias", np.zeros(weight.shape[1], np.float32))
    inputs = [
        source,
        walk.constant(node.input[1], reordered(weight, layout.axes[-1], inner)),
        walk.constant(name, values),
    ]
    shape = [walk.dims(source)[0], weight.shape[1]]
    transposes = {"transpose_a": flag(False), "transpose_b": flag(False)}
    found = walk.add("_FusedMatMul", end.output[0], inputs, shape, **transposes, **fused(activation))
    (result,) = Layout.plain([weight.shape[1]]).axes
    layout = Layout((*layout.axes[:-1], result), (*outer, *result))
    walk.bind(end.output[0], found, layout, not_negative=activation is not None)


def _activations(walk: Walk, node: onnx.NodeProto) -> None:
    """Activation times activation, matrix by matrix."""
    shape = walk.shape(node.output[0])
    first, second = (walk.shape(name) for name in node.input)
    if not len(first) == len(second) == len(shape) or first[:-2] != second[:-2]:
        walk.refuse(node, "the products of activations that are broadcast are not known")
    rank = len(shape)
    batch = list(range(rank - 2))
    many = times(shape[:-2])
    # The second matrix is taken as it lies: its columns or its rows may be innermost.
    across = walk.values[node.input[1]].layout.order()[-1] == rank - 2
    swapped = [rank - 1, rank - 2] if across else [rank - 2, rank - 1]
    left = walk.reshaped(walk.arranged(node.input[0], range(rank)), [many, *first[-2:]])
    right = walk.arranged(node.input[1], [*batch, *swapped])
    right = walk.reshaped(right, [many, *(second[axis] for axis in swapped)])
    flags = {"adj_x": flag(False), "adj_y": flag(across)}
    found = walk.add("BatchMatMulV2", node.output[0], [left, right], [many, *shape[-2:]], **flags)
    walk.bind(node.output[0], found, Layout.plain(shape))
