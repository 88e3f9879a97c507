"""A TensorFlow GraphDef under construction, in the JSON form that TensorFlow.js loads.

Format: ``tensorflow/core/framework/graph.proto`` in protobuf's JSON mapping (strings in base64, 64-bit integers as
strings), as read by ``tfjs-converter/src/operations/operation_mapper.ts``. Constants carry type and shape only; their
values lie in the weight files under the node's name.
"""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.tfjs.layout import Batched, Shape

Attributes = dict[str, Any]
DTYPES: Final = {np.dtype(np.float32): "DT_FLOAT", np.dtype(np.int32): "DT_INT32"}


@dataclass
class Graph:
    """Nodes in order, the arrays of the constants among them by name, and where each constant's numbers come from."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _variants: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def placeholder(self, name: str, dtype: str, shape: Shape) -> str:
        """Add an input."""
        return self.add("Placeholder", name, [], {"dtype": kind(dtype), "shape": {"shape": shape_of(shape)}})

    def constant(self, name: str, array: NDArray[Any], source: str | None = None) -> str:
        """Add a constant; the same array under the same name is added once.

        :param array: float32 or int32 of any shape.
        :param source: the ONNX initializer that its numbers, or some of them, come from; by default that of its name.
        """
        for variant in self._variants[name]:
            known = self.constants[variant]
            if known.dtype == array.dtype and np.array_equal(known, array):
                return variant
        dtype = DTYPES[array.dtype]
        tensor = {"dtype": dtype, "tensorShape": shape_of(array.shape)}
        # After the name, as parts of a weight are named: what is stored of a weight is found by the weight's name.
        other = f"{name}.variant{len(self._variants[name])}" if self._variants[name] else name
        node = self.add("Const", other, [], {"dtype": kind(dtype), "value": {"tensor": tensor}})
        self._variants[name].append(node)
        self.constants[node] = array
        self.sources[node] = source or name
        return node

    def add(self, op: str, name: str, inputs: Iterable[str], attributes: Attributes) -> str:
        """Add a node and return its name, which is made unique and fit for TensorFlow."""
        base = re.sub(r"[^A-Za-z0-9_./-]", "_", name).lstrip("_/-") or op
        name, count = base, 1
        while name in self._taken:
            name, count = f"{base}_{count}", count + 1
        self._taken.add(name)
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attributes})
        return name


def shape_of(shape: Shape) -> dict[str, Any]:
    """A TensorShapeProto; dimensions that grow with the batch are not fixed in it."""
    return {"dim": [{"size": str(-1 if isinstance(size, Batched) else size)} for size in shape]}


def kind(dtype: str) -> Attributes:
    """A type attribute."""
    return {"type": dtype}


def text(value: str) -> Attributes:
    """A string attribute."""
    return {"s": base64.b64encode(value.encode()).decode()}


def texts(values: Iterable[str]) -> Attributes:
    """A list-of-strings attribute."""
    return {"list": {"s": [base64.b64encode(value.encode()).decode() for value in values]}}


def integers(values: Iterable[int]) -> Attributes:
    """A list-of-integers attribute."""
    return {"list": {"i": [str(value) for value in values]}}


def flag(value: bool) -> Attributes:
    """A boolean attribute."""
    return {"b": value}
