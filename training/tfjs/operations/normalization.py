"""Layer norm and softmax: what looks at all numbers of the last axis together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

from training.tfjs.graph import flag, kind
from training.tfjs.layout import Layout
from training.tfjs.operations.matrix import reordered
from training.tfjs.operations.table import operation

if TYPE_CHECKING:
    from training.tfjs.convert import Walk


@operation("LayerNormalization")
def _layer_norm(walk: Walk, node: onnx.NodeProto) -> None:
    layout = walk.activation(node).layout
    at = walk.attributes(node, axis=-1, epsilon=1e-5, stash_type=1)
    if at["axis"] not in (-1, len(layout.axes) - 1) or len(node.output) > 1:
        walk.refuse(node, "only the layer norm over the last axis is known")
    x, outer, inner = walk.rows(node.input[0])
    shape, column = walk.dims(x), [walk.dims(x)[0], 1]
    name = node.output[0]

    def mean(source: str, what: str) -> str:
        inputs = [source, walk.integers(1)]
        return walk.add("Mean", f"{name}.{what}", inputs, column, keep_dims=flag(True), Tidx=kind("DT_INT32"))

    centred = walk.add("Sub", f"{name}.centred", [x, mean(x, "mean")], shape)
    variance = mean(walk.add("Square", f"{name}.square", [centred], shape), "variance")
    shifted = walk.add("AddV2", f"{name}.shifted", [variance, walk.scalar(at["epsilon"])], column)
    found = walk.add("Mul", name, [centred, walk.add("Rsqrt", f"{name}.rsqrt", [shifted], column)], shape)
    scale, offset = walk.array(node, 1), walk.optional(node, 2)
    axis = layout.axes[-1]
    if np.any(scale != 1):
        constant = walk.constant(node.input[1], reordered(scale, axis, inner))
        found = walk.add("Mul", f"{name}.scaled", [found, constant], shape)
    if offset is not None and np.any(offset):
        constant = walk.constant(node.input[2], reordered(offset, axis, inner))
        found = walk.add("AddV2", f"{name}.offset", [found, constant], shape)
    walk.bind(name, found, Layout(layout.axes, (*outer, *inner)))


@operation("Softmax")
def _softmax(walk: Walk, node: onnx.NodeProto) -> None:
    layout = walk.activation(node).layout
    if walk.attributes(node, axis=-1)["axis"] not in (-1, len(layout.axes) - 1):
        walk.refuse(node, "only the softmax over the last axis is known")
    x, outer, inner = walk.rows(node.input[0])
    found = walk.add("Softmax", node.output[0], [x], walk.dims(x))
    walk.bind(node.output[0], found, Layout(layout.axes, (*outer, *inner)), not_negative=True)
