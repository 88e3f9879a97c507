"""Operations that move numbers, or only say that they have moved: casts, reshapes, transposes, joins and cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnx

from training.tfjs.graph import kind
from training.tfjs.layout import Layout, same
from training.tfjs.operations.table import CHANNELS_LAST, operation

if TYPE_CHECKING:
    from training.tfjs.convert import Walk

_END: Final = 2**31 - 1


@operation("Cast")
def _cast(walk: Walk, node: onnx.NodeProto) -> None:
    layout = walk.activation(node).layout
    if walk.attributes(node, to=None)["to"] != onnx.TensorProto.FLOAT:
        walk.refuse(node, "only casts to float32 are known")
    source = walk.single(node.input[0])
    types = {"SrcT": kind("DT_INT32"), "DstT": kind("DT_FLOAT")}
    walk.bind(node.output[0], walk.add("Cast", node.output[0], [source], walk.dims(source), **types), layout)


@operation("Transpose")
def _transpose(walk: Walk, node: onnx.NodeProto) -> None:
    value = walk.activation(node)
    permutation = walk.attributes(node, perm=list(reversed(range(len(value.layout.axes)))))["perm"]
    walk.bind(node.output[0], value.nodes, value.layout.permuted(permutation), not_negative=value.not_negative)


@operation("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
def _reshape(walk: Walk, node: onnx.NodeProto) -> None:
    walk.activation(node)
    layout = walk.refined(node.input[0], walk.shape(node.output[0]))
    value = walk.values[node.input[0]]
    walk.bind(node.output[0], value.nodes, layout, not_negative=value.not_negative)


@operation("Concat")
def _concat(walk: Walk, node: onnx.NodeProto) -> None:
    shape = walk.shape(node.output[0])
    axis = walk.attributes(node, axis=None)["axis"] % len(shape)
    values = [walk.activation(node, position) for position in range(len(node.input))]
    not_negative = all(value.not_negative for value in values)
    order = CHANNELS_LAST if len(shape) == 4 and axis == 1 else values[0].layout.order()
    reader = walk.only_reader(node.output[0])
    alike = all(same(value.layout.shape, values[0].layout.shape) for value in values)
    if alike and reader is not None and reader.op_type == "Reshape":
        # A channel shuffle, which will move everything anyway: the parts need not be woven together before.
        nodes = [walk.arranged(name, order) for name in node.input]
        walk.bind(node.output[0], nodes, Layout.stacked(shape, axis, len(nodes), order), not_negative=not_negative)
        return
    # Networks that join ever more of the same tensors (DenseNet) are spared joining all of them every time.
    known = max((n for n in range(len(node.input) + 1) if (axis, *node.input[:n]) in walk.joined), default=0)
    nodes = [walk.joined[axis, *node.input[:known]]] if known else []
    nodes += [walk.arranged(name, order) for name in node.input[known:]]
    arranged = [shape[index] for index in order]
    found = walk.join(node.output[0], nodes, order.index(axis), arranged)
    walk.joined[axis, *node.input] = found
    walk.bind(node.output[0], found, Layout.plain(shape, order), not_negative=not_negative)


@operation("Split")
def _split(walk: Walk, node: onnx.NodeProto) -> None:
    value = walk.activation(node)
    shape = walk.shape(node.input[0])
    axis = walk.attributes(node, axis=0, num_outputs=None)["axis"] % len(shape)
    sizes = [walk.shape(name)[axis] for name in node.output]
    if len(set(sizes)) == 1:
        order = CHANNELS_LAST if len(shape) == 4 and axis == 1 else None
        nodes, layout = walk.parts(node.input[0], axis, len(sizes), order)
        for name, part in zip(node.output, nodes, strict=True):
            walk.bind(name, part, layout, not_negative=value.not_negative)
        return
    for name, start in zip(node.output, np.cumsum([0, *sizes[:-1]]), strict=True):
        _cut(walk, node.input[0], name, {axis: int(start)})


def _cut(walk: Walk, source: str, name: str, starts: dict[int, int]) -> None:
    """Give an ONNX tensor's name to a box of another's, from a start along some axes; its shape says how far."""
    value, shape = walk.values[source], walk.shape(name)
    order = value.layout.order()
    begin = walk.integers(*(starts.get(axis, 0) for axis in order))
    size = walk.integers(*(shape[axis] for axis in order))
    found = walk.add(
        "Slice",
        name,
        [walk.arranged(source, order), begin, size],
        [shape[axis] for axis in order],
        Index=kind("DT_INT32"),
    )
    walk.bind(name, found, Layout.plain(shape, order), not_negative=value.not_negative)


@operation("Slice")
def _slice(walk: Walk, node: onnx.NodeProto) -> None:
    walk.activation(node)
    shape = walk.shape(node.input[0])
    starts, ends = (walk.array(node, position).tolist() for position in (1, 2))
    axes, steps = walk.optional(node, 3), walk.optional(node, 4)
    given = range(len(starts)) if axes is None else [int(axis) % len(shape) for axis in axes]
    boxes: dict[int, int] = {}
    strided: dict[int, tuple[int, int]] = {}
    strides = [1] * len(starts) if steps is None else steps.tolist()
    for axis, start, end, step in zip(given, starts, ends, strides, strict=True):
        size = shape[axis]
        start, end = (min(max(at + size if at < 0 else at, 0), size) for at in (start, end))
        if step == 1 and (start, end) != (0, size):
            boxes[axis] = start
        elif step != 1:
            if step < 1 or size % step or start >= step or end < size - step + start + 1:
                walk.refuse(node, "only steps that divide an axis are known")
            strided[axis] = start, step
    if not boxes and not strided:
        _reshape(walk, node)
    elif not strided:
        _cut(walk, node.input[0], node.output[0], boxes)
    elif len(strided) == 1 and not boxes:
        ((axis, (start, step)),) = strided.items()
        layout = walk.refined(node.input[0], [*shape[:axis], shape[axis] // step, step, *shape[axis + 1 :]])
        found, layout = walk.select(node.input[0], layout, axis + 1, start)
        walk.bind(node.output[0], found, layout, not_negative=walk.values[node.input[0]].not_negative)
    else:
        walk.refuse(node, "only one step at a time is known")


@operation("Gather")
def _gather(walk: Walk, node: onnx.NodeProto) -> None:
    value = walk.activation(node)
    axis = walk.attributes(node, axis=0)["axis"] % len(value.layout.axes)
    index = walk.array(node, 1)
    if index.ndim != 0:
        walk.refuse(node, "only one index is known")
    size = value.layout.shape[axis]
    found, layout = walk.select(node.input[0], value.layout, axis, int(index) % size)
    walk.bind(node.output[0], found, layout, not_negative=value.not_negative)


@operation("Pad")
def _pad(walk: Walk, node: onnx.NodeProto) -> None:
    value = walk.activation(node)
    at = walk.attributes(node, mode=b"constant")
    pads, fill, axes = walk.array(node, 1), walk.optional(node, 2), walk.optional(node, 3)
    if at["mode"] != b"constant" or axes is not None or np.any(pads < 0):
        walk.refuse(node, "only a border of one number around all axes is known")
    shape = walk.shape(node.output[0])
    if not np.any(pads):
        _reshape(walk, node)
        return
    order = value.layout.order()
    borders = pads.reshape(2, -1).T[list(order)].astype(np.int32)
    inputs = [
        walk.arranged(node.input[0], order),
        walk.constant(f"{node.output[0]}.borders", borders),
        walk.scalar(0.0 if fill is None else float(fill)),
    ]
    found = walk.add("PadV2", node.output[0], inputs, [shape[axis] for axis in order], Tpaddings=kind("DT_INT32"))
    walk.bind(node.output[0], found, Layout.plain(shape, order))
