"""Walk an ONNX graph and write each of its nodes as TensorFlow.js graph nodes.

ONNX keeps image tensors channels first, TensorFlow.js runs channels last. Every activation is therefore held with a
:class:`~training.tfjs.layout.Layout`, transposes and reshapes change that alone, and an operation asks for its operands
in the order that it needs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from training.tfjs.graph import Graph, kind
from training.tfjs.layout import Atom, Batched, Layout, Shape, product, same, times, transposition
from training.tfjs.operations import OPERATIONS
from training.tfjs.shapes import infer
from twinlens.errors import TwinlensError

_PLACEHOLDERS = {onnx.TensorProto.UINT8: "DT_INT32", onnx.TensorProto.FLOAT: "DT_FLOAT"}
# What the page and the server call the last feature map is channels last in TensorFlow.js.
_OUTPUT_ORDERS = {4: (0, 2, 3, 1)}


@dataclass(frozen=True)
class Value:
    """What an ONNX tensor has become: a constant's array, or an activation.

    An activation is one TensorFlow.js node, or several whose memory, one after the other, is the tensor's.
    """

    layout: Layout
    nodes: tuple[str, ...] = ()
    array: NDArray[Any] | None = None
    not_negative: bool = False


class Walk:
    """The state of one conversion; the functions of ``operations`` read ONNX nodes and add to ``graph`` through it.

    ``inputs`` and ``outputs`` hold the TensorFlow.js node and its shape for each of the graph's own.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = Graph()
        self.values: dict[str, Value] = {}
        self.joined: dict[tuple[object, ...], str] = {}
        self.inputs: dict[str, tuple[str, Shape]] = {}
        self.outputs: dict[str, tuple[str, Shape]] = {}
        self._output_names = [output.name for output in model.graph.output]
        self._shapes = infer(model)
        self._nodes = list(model.graph.node)
        self._done: set[int] = set()
        self._dims: dict[str, Shape] = {}
        self._arranged: dict[tuple[object, ...], str] = {}
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self._nodes:
            for name in node.input:
                self._readers[name].append(node)
        for initializer in model.graph.initializer:
            self._fix(initializer.name, numpy_helper.to_array(initializer))
        (image,) = model.graph.input
        dtype = _PLACEHOLDERS[image.type.tensor_type.elem_type]
        shape = self.shape(image.name)
        placeholder = self.graph.placeholder(image.name, dtype, shape)
        self._dims[placeholder] = shape
        self.inputs[image.name] = placeholder, shape
        self.values[image.name] = Value(Layout.plain(shape), (placeholder,))

    def run(self) -> Graph:
        """Convert every node.

        :raises TwinlensError: ``unsupported_operation`` naming the first node that cannot be converted.
        """
        for node in self._nodes:
            if id(node) in self._done:
                continue
            if all(not name or self.values[name].array is not None for name in node.input):
                self._evaluate(node)
                continue
            convert = OPERATIONS.get(node.op_type)
            if convert is None:
                self.refuse(node, "the direct writer does not know this operation")
            convert(self, node)
        for name in self._output_names:
            rank = len(self.shape(name))
            output = self.arranged(name, _OUTPUT_ORDERS.get(rank, range(rank)))
            self.outputs[name] = output, self._dims[output]
        return self.graph

    def refuse(self, node: onnx.NodeProto, why: str) -> NoReturn:
        """End the conversion with an error that names the node, its operation, and the way out."""
        raise TwinlensError(
            "unsupported_operation",
            f"Node {node.name or node.output[0]!r} ({node.op_type}) cannot be written for TensorFlow.js: {why}. "
            f"Operations that can: {', '.join(sorted(OPERATIONS))}. Nothing was written. `--via tensorflowjs` "
            "goes the long way through TensorFlow, which may know it.",
        )

    # What is known of the ONNX graph.

    def shape(self, name: str) -> Shape:
        """The shape of an ONNX tensor, in ONNX' order of axes; one that is not known ends the conversion."""
        if name not in self._shapes:
            raise TwinlensError(
                "unsupported_operation",
                f"ONNX cannot tell the shape of {name!r}, so that it cannot be written for TensorFlow.js. Nothing was "
                "written. `--via tensorflowjs` goes the long way through TensorFlow, which may do it.",
            )
        return self._shapes[name]

    def attributes(self, node: onnx.NodeProto, **defaults: Any) -> dict[str, Any]:
        """A node's attributes over their defaults; one that is not among the defaults ends the conversion."""
        found = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if unknown := sorted(found.keys() - defaults.keys()):
            self.refuse(node, f"attribute {unknown[0]!r} is not known")
        return defaults | found

    def array(self, node: onnx.NodeProto, position: int) -> NDArray[Any]:
        """The constant at one of a node's inputs; an activation there ends the conversion."""
        array = self.values[node.input[position]].array
        if array is None:
            self.refuse(node, f"input {position} must be a constant")
        return array

    def optional(self, node: onnx.NodeProto, position: int) -> NDArray[Any] | None:
        """The constant at one of a node's inputs, ``None`` if it has no such input."""
        return self.array(node, position) if len(node.input) > position and node.input[position] else None

    def activation(self, node: onnx.NodeProto, position: int = 0) -> Value:
        """The activation at one of a node's inputs; a constant there ends the conversion."""
        value = self.values[node.input[position]]
        if value.array is not None:
            self.refuse(node, f"input {position} must not be a constant")
        return value

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """The node that reads a tensor, if it alone does and the tensor is no output."""
        readers = self._readers[name]
        return readers[0] if len(readers) == 1 and name not in self._output_names else None

    # What becomes of it.

    def constant(self, name: str, array: NDArray[Any], part: str = "") -> str:
        """Add a constant node.

        :param name: the ONNX initializer that its numbers come from.
        :param part: said after the name where the constant is not all of the initializer.
        """
        node = self.graph.constant(f"{name}{part}", np.ascontiguousarray(array), name)
        self._dims[node] = array.shape
        return node

    def integers(self, *values: int) -> str:
        """Add a constant of one axis, int32; dimensions that grow with the batch are -1."""
        array = np.array([-1 if isinstance(value, Batched) else value for value in values], np.int32)
        return self.constant(f"integers/{'_'.join(map(str, array))}", array)

    def scalar(self, value: float) -> str:
        """Add a float32 constant without axes."""
        return self.constant(f"number/{value:.9g}", np.array(value, np.float32))

    def integer(self, value: int) -> str:
        """Add an int32 constant without axes."""
        return self.constant(f"integer/{value}", np.array(value, np.int32))

    def add(self, op: str, name: str, inputs: Iterable[str], shape: Sequence[int], **attributes: Any) -> str:
        """Add a graph node of float32.

        :param shape: the shape of what it computes.
        :return: the node's name.
        """
        node = self.graph.add(op, name, inputs, {"T": kind("DT_FLOAT"), **attributes})
        self._dims[node] = tuple(shape)
        return node

    def bind(self, name: str, nodes: str | Sequence[str], layout: Layout, *, not_negative: bool = False) -> None:
        """Say what an ONNX tensor has become."""
        nodes = (nodes,) if isinstance(nodes, str) else tuple(nodes)
        self.values[name] = Value(layout, nodes, not_negative=not_negative)

    def dims(self, node: str) -> Shape:
        """The shape of what a TensorFlow.js node computes."""
        return self._dims[node]

    def reshaped(self, node: str, shape: Sequence[int]) -> str:
        """The node seen in another shape, which moves nothing."""
        shape = tuple(shape)
        if same(self._dims[node], shape):
            return node
        key = (node, tuple(map(repr, shape)))
        if key not in self._arranged:
            self._arranged[key] = self.add(
                "Reshape", f"{node}.reshaped", [node, self.integers(*shape)], shape, Tshape=kind("DT_INT32")
            )
        return self._arranged[key]

    def single(self, name: str) -> str:
        """The one node that holds an activation; where several do, they are joined."""
        value = self.values[name]
        first, *others = value.nodes
        if not others:
            return first
        if value.nodes not in self._arranged:
            dims = self._dims[first]
            stacked = (times([dims[0], len(value.nodes)]), *dims[1:])
            self._arranged[value.nodes] = self.join(f"{name}.stacked", value.nodes, 0, stacked)
        return self._arranged[value.nodes]

    def join(self, name: str, nodes: Sequence[str], axis: int, shape: Sequence[int]) -> str:
        """Add a concatenation."""
        attributes = {"N": {"i": str(len(nodes))}, "Tidx": kind("DT_INT32")}
        return self.add("ConcatV2", name, [*nodes, self.integer(axis)], shape, **attributes)

    def arranged(self, name: str, order: Iterable[int]) -> str:
        """The node of an activation with its axes, each as one, in a given order."""
        layout, order = self.values[name].layout, tuple(order)
        shape = layout.shape
        return self.reshaped(self._moved(name, layout.flat(order)), [shape[axis] for axis in order])

    def rows(self, name: str) -> tuple[str, tuple[Atom, ...], tuple[Atom, ...]]:
        """An activation as a matrix, its last axis innermost.

        :return: the node of rank 2, what its rows are made of, and what its columns are made of: the atoms of the
            last axis as they lie in memory, which may be another order than the axis' own.
        """
        layout = self.values[name].layout
        last = layout.axes[-1]
        memory = layout.memory
        split = len(memory) - len(last)
        if set(memory[split:]) != set(last):
            memory = (*(atom for atom in memory if atom not in last), *last)
        outer, inner = memory[:split], memory[split:]
        node = self.reshaped(self._moved(name, memory), [product(outer), product(inner)])
        return node, outer, inner

    def parts(
        self, name: str, axis: int, count: int, order: Iterable[int] | None = None
    ) -> tuple[tuple[str, ...], Layout]:
        """An activation in equal parts along an axis, each in one piece in memory.

        :param count: the number of parts, a divisor of the axis' size.
        :param order: the axes of a part as they are to lie in memory; by default as they do.
        :return: one node a part, in whatever shape, and the layout that all of them have.
        """
        shape = self.values[name].layout.shape
        split = self.refined(name, [*shape[:axis], count, shape[axis] // count, *shape[axis + 1 :]])
        order = None if order is None else tuple(order)
        nodes, layouts = zip(*(self.select(name, split, axis, index, order) for index in range(count)), strict=True)
        return nodes, layouts[0]

    def refined(self, name: str, shape: Sequence[int]) -> Layout:
        """The layout of an activation after a reshape; if the reshape moves numbers, that is done first."""
        value = self.values[name]
        layout = value.layout.reshaped(shape)
        if layout is None:
            plain = Layout.plain(value.layout.shape)
            self.bind(name, self.arranged(name, range(len(plain.axes))), plain, not_negative=value.not_negative)
            layout = Layout.plain(shape)
        return layout

    def select(
        self, name: str, layout: Layout, axis: int, index: int, order: tuple[int, ...] | None = None
    ) -> tuple[str, Layout]:
        """One index of an axis, which is gone from the result.

        :param layout: that of the activation, or a refinement of it.
        :param order: the other axes as they are to lie in memory; by default as they do.
        :return: a node, in whatever shape, and its layout.
        """
        chosen = layout.axes[axis]
        others = Layout(
            layout.axes[:axis] + layout.axes[axis + 1 :], tuple(atom for atom in layout.memory if atom not in chosen)
        )
        others = Layout(others.axes, others.flat(others.order() if order is None else order))
        memory, nodes, count = (*chosen, *others.memory), self.values[name].nodes, product(chosen)
        if len(nodes) == count and layout.memory == memory:
            return nodes[index], others
        length = product(others.memory)
        source = self.reshaped(self._moved(name, memory, layout.memory), [count, length])
        key = (source, index)
        if key not in self._arranged:
            begin, size = self.integers(index, 0), self.integers(1, -1)
            self._arranged[key] = self.add(
                "Slice", f"{name}.part{index}", [source, begin, size], [1, length], Index=kind("DT_INT32")
            )
        return self._arranged[key], others

    def fuse_activation(self, node: onnx.NodeProto) -> tuple[onnx.NodeProto, str | None]:
        """Take over the ReLU or ReLU6 that alone reads a node's output.

        :return: the node whose output the fused operation computes, and the name of the activation, if any.
        """
        reader = self.only_reader(node.output[0])
        if reader is not None and (fused := self.rectifier(reader)) is not None:
            return self.take(reader), fused
        return node, None

    def take(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """Mark a node as written, by the one that comes before it."""
        self._done.add(id(node))
        return node

    def rectifier(self, node: onnx.NodeProto) -> str | None:
        """``Relu`` or ``Relu6`` if that is what a node computes."""
        if node.op_type == "Relu":
            return "Relu"
        if node.op_type == "Clip":
            bounds = [self.values[name].array if name else None for name in node.input[1:]]
            low, high = [None if bound is None else float(bound) for bound in [*bounds, None, None][:2]]
            return {(0.0, 6.0): "Relu6", (0.0, None): "Relu"}.get((low, high))  # type: ignore[arg-type]
        return None

    def _evaluate(self, node: onnx.NodeProto) -> None:
        """Compute a node that constants alone go into."""
        feed = {name: self.values[name].array for name in node.input if name}
        for name, array in zip(node.output, ReferenceEvaluator(node).run(None, feed), strict=True):
            self._fix(name, np.asarray(array))

    def _fix(self, name: str, array: NDArray[Any]) -> None:
        self.values[name] = Value(Layout.plain(array.shape), array=array)

    def _moved(self, name: str, target: tuple[Atom, ...], source: tuple[Atom, ...] | None = None) -> str:
        """The node of an activation with its atoms in another order in memory, in whatever shape."""
        source = source or self.values[name].layout.memory
        node = self.single(name)
        if source == target:
            return node
        view, permutation = transposition(source, target)
        key = (node, tuple(map(repr, view)), permutation)
        if key not in self._arranged:
            self._arranged[key] = self.add(
                "Transpose",
                f"{name}.transposed",
                [self.reshaped(node, view), self.integers(*permutation)],
                [view[axis] for axis in permutation],
                Tperm=kind("DT_INT32"),
            )
        return self._arranged[key]
