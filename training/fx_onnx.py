"""A traced network as ONNX nodes, one small function per operation.

The deployed network is a graph already, of a few dozen kinds of operations, so its ONNX is written from that graph in a
tenth of a second. torch's exporter traces it once more, decomposes every operation into smaller ones and puts them
together again, which takes it 3 to 50 seconds; it remains the way for a network with an operation that is not here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import fx, nn

_Names = list[str]
_Write = Callable[["Writer", Any, "_Call"], str | _Names]
_TABLE: Final[dict[Any, _Write]] = {}
# Not operations on tensors: what they compute is known from the shapes.
_NOTHING: Final = ("size", getattr, operator.floordiv)


class UnknownOperationError(Exception):
    """The network has an operation that is not in the table."""


class _Call(NamedTuple):
    """One node of the traced network: its arguments, which are names where they are tensors, and its result."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: torch.Size | None

    def get(self, position: int, name: str, default: Any) -> Any:
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)


def _writes(*targets: Any) -> Callable[[_Write], _Write]:
    def enter(function: _Write) -> _Write:
        _TABLE.update(dict.fromkeys(targets, function))
        return function

    return enter


class Writer:
    """ONNX nodes and initializers under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self._prefix = ""

    def network(self, network: fx.GraphModule, source: str, prefix: str) -> _Names:
        """Write all nodes of a traced network.

        :param source: name of the tensor that goes into it.
        :param prefix: what the names of its weights begin with.
        :return: the names of the tensors that it returns.
        :raises UnknownOperationError: at the first operation that is not in the table.
        """
        names: dict[fx.Node, Any] = {}
        for node in network.graph.nodes:
            if node.op == "placeholder":
                names[node] = source
            elif node.op == "get_attr":
                tensor: torch.Tensor = operator.attrgetter(str(node.target))(network)
                names[node] = self.weight(f"{prefix}{node.target}", tensor)
            elif node.op == "output":
                return [names[result] for result in node.args[0]]
            elif node.target not in _NOTHING and not isinstance(node.meta.get("val"), int):
                names[node] = self._node(network, node, names, prefix)
        raise AssertionError("a traced network has an output")

    def _node(self, network: fx.GraphModule, node: fx.Node, names: dict[fx.Node, Any], prefix: str) -> str | _Names:
        target = network.get_submodule(str(node.target)) if node.op == "call_module" else node.target
        key = type(target) if node.op == "call_module" else target
        if key not in _TABLE:
            raise UnknownOperationError(str(getattr(key, "__name__", key)))
        args: Any = fx.map_arg(node.args, names.get)
        kwargs: Any = fx.map_arg(node.kwargs, names.get)
        value = node.meta.get("val")
        self._prefix = f"{prefix}{node.target}."
        shape = value.shape if isinstance(value, torch.Tensor) else None
        return _TABLE[key](self, target, _Call(node.name, args, kwargs, shape))

    def add(self, op: str, call: _Call, inputs: Iterable[str], part: str = "", **attributes: Any) -> str:
        """Add a node that is named after the traced one; return the name of its output."""
        name = f"{call.name}{part}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, call: _Call, source: str, count: int, axis: int) -> _Names:
        """Add a node that cuts a tensor into equal parts; return the names of its outputs."""
        names = [f"{call.name}.{index}" for index in range(count)]
        self.nodes.append(helper.make_node("Split", [source], names, name=call.name, axis=axis, num_outputs=count))
        return names

    def weight(self, name: str, tensor: torch.Tensor) -> str:
        """Add an initializer of a parameter's or a buffer's numbers."""
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(tensor.detach().numpy(), name)
        return name

    def constant(self, values: Any, dtype: type[np.generic]) -> str:
        """Add an initializer of a few numbers; the same ones are added once."""
        array = np.asarray(values, dtype)
        name = f"constant/{array.dtype}/{'_'.join(map(str, array.flatten().tolist()))}/{array.ndim}"
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def own(self, module: nn.Module, *names: str) -> _Names:
        """Add initializers of a module's own parameters and buffers, those that it has."""
        found = [(name, getattr(module, name)) for name in names]
        return [self.weight(f"{self._prefix}{name}", tensor) for name, tensor in found if tensor is not None]


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


@_writes(nn.Conv2d)
def _convolution(writer: Writer, module: nn.Conv2d, call: _Call) -> str:
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise UnknownOperationError("a convolution with padding of another kind")
    return writer.add(
        "Conv",
        call,
        [call.args[0], *writer.own(module, "weight", "bias")],
        dilations=list(module.dilation),
        group=module.groups,
        kernel_shape=list(module.kernel_size),
        pads=list(module.padding) * 2,
        strides=list(module.stride),
    )


@_writes(nn.Linear)
def _linear(writer: Writer, module: nn.Linear, call: _Call) -> str:
    """A Gemm on rows, so that the weight is (out, in) whatever the rank of the input."""
    if call.shape is None:
        raise UnknownOperationError("a Linear of unknown shape")
    weights = writer.own(module, "weight", "bias")
    if len(call.shape) == 2:
        return writer.add("Gemm", call, [call.args[0], *weights], transB=1)
    rows = writer.add(
        "Reshape", call, [call.args[0], writer.constant([-1, module.in_features], np.int64)], part=".rows"
    )
    found = writer.add("Gemm", call, [rows, *weights], transB=1, part=".product")
    return writer.add("Reshape", call, [found, writer.constant([-1, *call.shape[1:]], np.int64)])


@_writes(nn.BatchNorm2d)
def _batch_norm(writer: Writer, module: nn.BatchNorm2d, call: _Call) -> str:
    inputs = [call.args[0], *writer.own(module, "weight", "bias", "running_mean", "running_var")]
    if len(inputs) != 5:
        raise UnknownOperationError("a batch norm without scale or statistics")
    return writer.add("BatchNormalization", call, inputs, epsilon=module.eps)


@_writes(nn.LayerNorm)
def _layer_norm(writer: Writer, module: nn.LayerNorm, call: _Call) -> str:
    inputs = [call.args[0], *writer.own(module, "weight", "bias")]
    if len(inputs) != 3 or len(module.normalized_shape) != 1:
        raise UnknownOperationError("a layer norm without scale, or over several axes")
    return writer.add("LayerNormalization", call, inputs, axis=-1, epsilon=module.eps)


@_writes(F.layer_norm)
def _layer_norm_function(writer: Writer, _: Any, call: _Call) -> str:
    weight, bias = call.get(2, "weight", None), call.get(3, "bias", None)
    if len(call.args[1]) != 1 or weight is None or bias is None:
        raise UnknownOperationError("a layer norm without scale, or over several axes")
    inputs = [call.args[0], weight, bias]
    return writer.add("LayerNormalization", call, inputs, axis=-1, epsilon=call.get(4, "eps", 1e-5))


@_writes(nn.ReLU, F.relu, torch.relu)
def _relu(writer: Writer, _: Any, call: _Call) -> str:
    return writer.add("Relu", call, call.args[:1])


@_writes(nn.ReLU6, F.relu6)
def _relu6(writer: Writer, _: Any, call: _Call) -> str:
    return writer.add("Clip", call, [call.args[0], writer.constant(0, np.float32), writer.constant(6, np.float32)])


@_writes(nn.Sigmoid, torch.sigmoid)
def _sigmoid(writer: Writer, _: Any, call: _Call) -> str:
    return writer.add("Sigmoid", call, call.args[:1])


@_writes(nn.Tanh)
def _tanh(writer: Writer, _: Any, call: _Call) -> str:
    return writer.add("Tanh", call, call.args[:1])


@_writes(nn.SiLU, F.silu)
def _silu(writer: Writer, _: Any, call: _Call) -> str:
    gate = writer.add("Sigmoid", call, call.args[:1], part=".gate")
    return writer.add("Mul", call, [call.args[0], gate])


@_writes(nn.GELU)
def _gelu(writer: Writer, module: nn.GELU, call: _Call) -> str:
    return writer.add("Gelu", call, call.args[:1], approximate=module.approximate)


@_writes(nn.MaxPool2d)
def _max_pool(writer: Writer, module: nn.MaxPool2d, call: _Call) -> str:
    return _pool(
        writer, call, "MaxPool", module.kernel_size, module.stride, module.padding, module.ceil_mode, module.dilation
    )


@_writes(F.max_pool2d)
def _max_pool_function(writer: Writer, _: Any, call: _Call) -> str:
    kernel = call.get(1, "kernel_size", None)
    options = [call.get(3, "padding", 0), call.get(5, "ceil_mode", False), call.get(4, "dilation", 1)]
    return _pool(writer, call, "MaxPool", kernel, call.get(2, "stride", None) or kernel, *options)


@_writes(nn.AvgPool2d)
def _average_pool(writer: Writer, module: nn.AvgPool2d, call: _Call) -> str:
    if module.divisor_override is not None:
        raise UnknownOperationError("an average pool with a divisor of its own")
    options = (module.kernel_size, module.stride, module.padding, module.ceil_mode)
    return _pool(writer, call, "AveragePool", *options, count_include_pad=int(module.count_include_pad))


@_writes(F.avg_pool2d)
def _average_pool_function(writer: Writer, _: Any, call: _Call) -> str:
    kernel = call.get(1, "kernel_size", None)
    if call.get(6, "divisor_override", None) is not None:
        raise UnknownOperationError("an average pool with a divisor of its own")
    options = [call.get(2, "stride", None) or kernel, call.get(3, "padding", 0), call.get(4, "ceil_mode", False)]
    return _pool(
        writer, call, "AveragePool", kernel, *options, count_include_pad=int(call.get(5, "count_include_pad", True))
    )


def _pool(
    writer: Writer,
    call: _Call,
    op: str,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    dilation: Any = 1,
    **attributes: Any,
) -> str:
    return writer.add(
        op,
        call,
        call.args[:1],
        ceil_mode=int(ceil_mode),
        dilations=_pair(dilation),
        kernel_shape=_pair(kernel),
        pads=_pair(padding) * 2,
        strides=_pair(stride),
        **attributes,
    )


@_writes(torch.mean)
def _mean(writer: Writer, _: Any, call: _Call) -> str:
    axes = writer.constant([*call.args[1]], np.int64)
    return writer.add("ReduceMean", call, [call.args[0], axes], keepdims=int(call.get(2, "keepdim", False)))


@_writes(operator.add, torch.add, operator.iadd)
def _add(writer: Writer, _: Any, call: _Call) -> str:
    return writer.add("Add", call, _operands(writer, call))


@_writes(operator.mul, torch.mul, operator.imul)
def _multiply(writer: Writer, _: Any, call: _Call) -> str:
    return writer.add("Mul", call, _operands(writer, call))


def _operands(writer: Writer, call: _Call) -> _Names:
    if call.kwargs:
        raise UnknownOperationError("an addition with a factor")
    return [argument if isinstance(argument, str) else writer.constant(argument, np.float32) for argument in call.args]


@_writes(torch.cat)
def _concatenate(writer: Writer, _: Any, call: _Call) -> str:
    return writer.add("Concat", call, call.args[0], axis=call.get(1, "dim", 0))


@_writes(torch.chunk, "chunk")
def _chunk(writer: Writer, _: Any, call: _Call) -> _Names:
    return writer.split(call, call.args[0], call.get(1, "chunks", None), call.get(2, "dim", 0))


@_writes(operator.getitem)
def _item(_writer: Writer, _: Any, call: _Call) -> str:
    source, index = call.args
    if not isinstance(source, list) or not isinstance(index, int):
        raise UnknownOperationError("an index of a tensor")
    name: str = source[index]
    return name


@_writes("contiguous")
def _as_it_is(_writer: Writer, _: Any, call: _Call) -> str:
    name: str = call.args[0]
    return name


@_writes(torch.flatten, "flatten")
def _flatten(writer: Writer, _: Any, call: _Call) -> str:
    if (call.get(1, "start_dim", 0), call.get(2, "end_dim", -1)) != (1, -1):
        raise UnknownOperationError("a flatten of some axes")
    return writer.add("Flatten", call, call.args[:1], axis=1)


@_writes(nn.Flatten)
def _flatten_module(writer: Writer, module: nn.Flatten, call: _Call) -> str:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise UnknownOperationError("a flatten of some axes")
    return writer.add("Flatten", call, call.args[:1], axis=1)


@_writes("view", "reshape")
def _reshape(writer: Writer, _: Any, call: _Call) -> str:
    """To a shape that is known from the trace, of which the first axis alone grows with the batch."""
    if call.shape is None:
        raise UnknownOperationError("a reshape to an unknown shape")
    return writer.add("Reshape", call, [call.args[0], writer.constant([-1, *call.shape[1:]], np.int64)])


@_writes(torch.permute, "permute")
def _permute(writer: Writer, _: Any, call: _Call) -> str:
    axes: Sequence[int] = call.args[1] if isinstance(call.args[1], Sequence) else call.args[1:]
    return writer.add("Transpose", call, call.args[:1], perm=list(axes))


@_writes(torch.transpose)
def _transpose(writer: Writer, _: Any, call: _Call) -> str:
    if call.shape is None:
        raise UnknownOperationError("a transpose of an unknown shape")
    axes = list(range(len(call.shape)))
    first, second = call.args[1:]
    axes[first], axes[second] = axes[second], axes[first]
    return writer.add("Transpose", call, call.args[:1], perm=axes)
