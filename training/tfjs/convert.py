"""Walk an ONNX graph and write each of its nodes as TensorFlow.js graph nodes.

ONNX keeps image tensors channels first, TensorFlow.js runs channels last. Every rank-4 activation is therefore held
as NHWC under its ONNX name and marked so; transposes between the two orders vanish.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

from training.tfjs.graph import Attributes, Graph, kind
from training.tfjs.operations import OPERATIONS
from twinlens.errors import TwinlensError

_PLACEHOLDERS = {onnx.TensorProto.UINT8: "DT_INT32", onnx.TensorProto.FLOAT: "DT_FLOAT"}


@dataclass(frozen=True)
class Value:
    """What an ONNX tensor has become: a constant's array, or the TensorFlow.js node that holds an activation."""

    node: str = ""
    channels_last: bool = False
    array: NDArray[Any] | None = None
    not_negative: bool = False


class Walk:
    """The state of one conversion; the functions of ``operations`` read ONNX nodes and add to ``graph`` through it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        self.graph = Graph()
        self.values: dict[str, Value] = {}
        self.outputs = [output.name for output in inferred.graph.output]
        self._shapes = {
            info.name: _dimensions(info)
            for info in [*inferred.graph.input, *inferred.graph.output, *inferred.graph.value_info]
        }
        self._nodes = list(inferred.graph.node)
        self._done: set[int] = set()
        self._consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self._nodes:
            for name in node.input:
                self._consumers[name].append(node)
        for initializer in inferred.graph.initializer:
            self.values[initializer.name] = Value(array=numpy_helper.to_array(initializer))
        (image,) = inferred.graph.input
        dtype = _PLACEHOLDERS[image.type.tensor_type.elem_type]
        self.values[image.name] = Value(self.graph.placeholder(image.name, dtype, self.shape(image.name)))

    def run(self) -> Graph:
        """Convert every node.

        :raises TwinlensError: ``unsupported_operation`` naming the first node that cannot be converted.
        """
        for node in self._nodes:
            if id(node) not in self._done:
                convert = OPERATIONS.get(node.op_type)
                if convert is None:
                    self.refuse(node, "the direct writer does not know this operation")
                convert(self, node)
        return self.graph

    def refuse(self, node: onnx.NodeProto, why: str) -> NoReturn:
        """End the conversion with an error that names the node and its operation."""
        raise TwinlensError(
            "unsupported_operation",
            f"Node {node.name or node.output[0]!r} ({node.op_type}) cannot be written for TensorFlow.js: {why}. "
            f"Operations that can: {', '.join(sorted(OPERATIONS))}. Nothing was written.",
        )

    def shape(self, name: str) -> tuple[int | None, ...]:
        """The shape of an ONNX tensor, channels first; ``None`` is the batch."""
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

    def activation(self, node: onnx.NodeProto, position: int = 0) -> Value:
        """The activation at one of a node's inputs; a constant there ends the conversion."""
        value = self.values[node.input[position]]
        if value.array is not None:
            self.refuse(node, f"input {position} must not be a constant")
        return value

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant node; ``name`` is that of the ONNX initializer that its numbers come from."""
        return self.graph.constant(name, np.ascontiguousarray(array))

    def emit(
        self, node: onnx.NodeProto, op: str, inputs: list[str], attributes: Attributes, *, not_negative: bool = False
    ) -> None:
        """Add the graph node that computes the ONNX node's output."""
        name = self.graph.add(op, node.output[0], inputs, {"T": kind("DT_FLOAT"), **attributes})
        self.bind(node, Value(name, len(self.shape(node.output[0])) == 4, not_negative=not_negative))

    def bind(self, node: onnx.NodeProto, value: Value) -> None:
        """Say what the ONNX node's output has become."""
        self.values[node.output[0]] = value

    def fuse_activation(self, node: onnx.NodeProto) -> tuple[onnx.NodeProto, str | None]:
        """Take over the ReLU or ReLU6 that alone reads a node's output.

        :return: the node whose output the fused operation computes, and the name of the activation, if any.
        """
        consumers = self._consumers[node.output[0]]
        if len(consumers) == 1 and node.output[0] not in self.outputs:
            (follower,) = consumers
            if (fused := self.rectifier(follower)) is not None:
                self._done.add(id(follower))
                return follower, fused
        return node, None

    def rectifier(self, node: onnx.NodeProto) -> str | None:
        """``Relu`` or ``Relu6`` if that is what a node computes."""
        if node.op_type == "Relu":
            return "Relu"
        if node.op_type == "Clip":
            bounds = [self.values[name].array if name else None for name in node.input[1:]]
            low, high = [None if bound is None else float(bound) for bound in [*bounds, None, None][:2]]
            return {(0.0, 6.0): "Relu6", (0.0, None): "Relu"}.get((low, high))  # type: ignore[arg-type]
        return None


def _dimensions(info: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    dims = info.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)
