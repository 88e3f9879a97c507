"""What is folded into a network's weights before they are rounded: scales and shifts that then need no operation.

``deploy`` calls these on a traced network in float64; both exports then run fewer operations on the same numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import fx, nn

from training.head import module_of

_SIXTH: Final = 1 / 6
_Fold = dict[fx.Node, float]


def fold_layer_norms(graph: fx.GraphModule) -> None:
    """Let a Linear take up the scale and the offset of the layer norm that it alone reads."""
    for node in graph.graph.nodes:
        norm = module_of(graph, node)
        readers = list(node.users)
        linear = module_of(graph, readers[0]) if len(readers) == 1 else None
        if not isinstance(norm, nn.LayerNorm) or not isinstance(linear, nn.Linear) or len(norm.normalized_shape) > 1:
            continue
        if norm.bias is not None:
            shift = linear.weight.data @ norm.bias.data
            linear.bias = nn.Parameter(shift if linear.bias is None else linear.bias.data + shift)
            norm.bias.data.zero_()
        if norm.weight is not None:
            linear.weight.data *= norm.weight.data
            norm.weight.data.fill_(1)


def fold_layer_scales(graph: fx.GraphModule) -> None:
    """Let a Linear take up the learned factor per channel that its permuted output is multiplied by (ConvNeXt)."""
    for node in list(graph.graph.nodes):
        if node.target is not operator.mul or not all(isinstance(arg, fx.Node) for arg in node.args):
            continue
        scale, permuted = node.args
        if scale.op != "get_attr" or permuted.target is not torch.permute or list(permuted.args[1]) != [0, 3, 1, 2]:
            continue
        linear = module_of(graph, permuted.args[0])
        factor = graph.get_parameter(str(scale.target)).data
        if isinstance(linear, nn.Linear) and factor.shape == (linear.out_features, 1, 1):
            linear.weight.data *= factor.reshape(-1, 1)
            if linear.bias is not None:
                linear.bias.data *= factor.flatten()
            node.replace_all_uses_with(permuted)


def fold_sixths(graph: fx.GraphModule, class_map: str | None) -> None:
    """Write HardSwish and HardSigmoid with a ReLU6, their factor 1/6 folded into the next linear weights.

    ``hardswish(x) = x * relu6(x + 3) / 6`` costs one more pass over the tensor for the division than it needs to:
    the factor is carried along through linear operations until a convolution or Linear takes it up.

    :param class_map: the Linear whose weights must stay as they are, if any.
    """
    pending: _Fold = {}
    for node in list(graph.graph.nodes):
        module = module_of(graph, node)
        if isinstance(module, nn.Hardswish) or node.target is F.hardswish:
            _replace(graph, node, pending, _hardswish)
        elif isinstance(module, nn.Hardsigmoid) or node.target is F.hardsigmoid:
            _replace(graph, node, pending, _hardsigmoid)
        elif isinstance(module, nn.Conv2d | nn.Linear) and node.target != class_map:
            module.weight.data.mul_(pending.get(node.args[0], 1.0))
        elif node.target in (torch.mean, torch.flatten, "flatten") or isinstance(module, nn.Flatten):
            if node.args[0] in pending:
                pending[node] = pending[node.args[0]]
        elif node.target in (operator.mul, torch.mul) and all(isinstance(arg, fx.Node) for arg in node.args):
            factor = pending.get(node.args[0], 1.0) * pending.get(node.args[1], 1.0)
            if factor != 1.0:
                pending[node] = factor
        else:
            # Not linear, or an output, or the classifier whose weights class maps need as they are.
            _settle(graph, node, pending)


def _settle(graph: fx.GraphModule, node: fx.Node, pending: _Fold) -> None:
    """Give a node the true values of its inputs."""
    for source in node.all_input_nodes:
        if source in pending:
            with graph.graph.inserting_before(node):
                true = graph.graph.call_function(operator.mul, (source, pending[source]))
            node.replace_input_with(source, true)


def _replace(
    graph: fx.GraphModule, node: fx.Node, pending: _Fold, write: Callable[[fx.GraphModule, fx.Node], fx.Node]
) -> None:
    _settle(graph, node, pending)
    with graph.graph.inserting_before(node):
        new = write(graph, node)
    node.replace_all_uses_with(new)
    graph.graph.erase_node(node)
    pending[new] = _SIXTH


def _hardswish(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    x = node.args[0]
    shifted = graph.graph.call_function(operator.add, (x, 3.0))
    return graph.graph.call_function(operator.mul, (x, graph.graph.call_function(F.relu6, (shifted,))))


def _hardsigmoid(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    x: Any = node.args[0]
    source = module_of(graph, x)
    if isinstance(source, nn.Conv2d | nn.Linear) and source.bias is not None and len(x.users) == 1:
        source.bias.data.add_(3.0)  # the shift becomes part of the bias, and the ReLU6 can be fused
        return graph.graph.call_function(F.relu6, (x,))
    return graph.graph.call_function(F.relu6, (graph.graph.call_function(operator.add, (x, 3.0)),))
