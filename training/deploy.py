"""The one graph that both exports come from: batch-norm folded, scales folded, weights rounded, once.

A trained torchvision network becomes a :class:`Deployed` module that takes uint8 pixels, last channel, and returns
logits, embedding and features. Everything that changes a weight happens here, before ONNX and TensorFlow.js see it,
so the two hold the same numbers, and this module in PyTorch is the reference that both are measured against.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.experimental.optimization import fuse
from torch.fx.passes.shape_prop import ShapeProp

from training.rounding import integer_bits, round_weights
from twinlens.contract import Normalize
from twinlens.errors import TwinlensError

_SIXTH: Final = 1 / 6


class Head(NamedTuple):
    """Where a network's head begins, and what it allows.

    ``class_map`` names the Linear module whose weight (labels, channels), applied to the features, gives class
    activation maps; it is ``None`` where the head is more than global average pooling and one Linear.
    """

    embedding_size: int
    class_map: str | None


class Deployed(nn.Module):
    """uint8 pixels (N, height, width, 3) to logits (N, L), embedding (N, E) and features (N, C, h, w), float32."""

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, network: fx.GraphModule, normalize: Normalize, head: Head) -> None:
        super().__init__()
        self.network = network
        self.head = head
        mean = torch.tensor(normalize.mean, dtype=torch.float64)
        std = torch.tensor(normalize.std, dtype=torch.float64)
        self.register_buffer("scale", (normalize.scale / std).float())
        self.register_buffer("offset", (-mean / std).float())

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalise and run the network."""
        pixels = (image.to(torch.float32) * self.scale + self.offset).permute(0, 3, 1, 2)
        logits, embedding, features = self.network(pixels)
        return logits, embedding, features


def deploy(network: nn.Module, size: tuple[int, int], normalize: Normalize, weights: str = "float16") -> Deployed:
    """Make the graph that is exported.

    :param network: a torchvision classification network; it is not changed.
    :param size: height and width of its input in pixels.
    :param normalize: the normalisation that becomes part of the graph.
    :param weights: what weights are rounded to, one of :data:`training.rounding.WEIGHTS`.
    :raises TwinlensError: ``unsupported_operation`` if the network has no global average pooling before its
        classifier, or as :func:`training.rounding.round_weights` does; ``invalid_arguments`` for unknown ``weights``.
    """
    integer_bits(weights)  # an unknown word is refused before the work
    traced = _without_no_ops(fx.symbolic_trace(copy.deepcopy(network).eval()))
    # Folding in float64 keeps the folded weights within one float32 rounding of the trained network's.
    folded = cast(fx.GraphModule, fuse(traced.double(), no_trace=True))
    ShapeProp(folded).propagate(torch.zeros(2, 3, *size, dtype=torch.float64))
    head = _expose_head(folded)
    _fold_scales(folded, head.class_map)
    folded.graph.eliminate_dead_code()
    folded.delete_all_unused_submodules()
    folded.recompile()
    folded.float().requires_grad_(False)
    round_weights(folded, weights)
    return Deployed(folded, normalize, head).eval()


def _module(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def _without_no_ops(graph: fx.GraphModule) -> fx.GraphModule:
    """Remove what does nothing in evaluation, so that neighbours that can be folded meet."""
    for node in list(graph.graph.nodes):
        idle = isinstance(_module(graph, node), nn.Dropout | nn.Identity)
        if idle or getattr(node.target, "__name__", "") in ("stochastic_depth", "dropout"):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()
    return graph


def _is_global_average(graph: fx.GraphModule, node: fx.Node) -> bool:
    module = _module(graph, node)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return module.output_size in (1, (1, 1))
    if node.target is F.adaptive_avg_pool2d:
        return node.args[1] in (1, (1, 1), [1, 1])
    if node.target in ("mean", torch.mean):
        return tuple(node.args[1] if len(node.args) > 1 else ()) in ((2, 3), (-2, -1))  # type: ignore[arg-type]
    return False


def _shape(node: fx.Node) -> torch.Size:
    shape: torch.Size = node.meta["tensor_meta"].shape
    return shape


def _expose_head(graph: fx.GraphModule) -> Head:
    """Write every global average pool as a mean, and return features and embedding beside the logits."""
    pools = [node for node in graph.graph.nodes if _is_global_average(graph, node)]
    for node in pools:
        flat = len(_shape(node)) == 2
        node.op, node.target, node.args, node.kwargs = "call_function", torch.mean, (node.args[0], (2, 3), not flat), {}
    output = next(node for node in graph.graph.nodes if node.op == "output")
    if not pools:
        raise TwinlensError(
            "unsupported_operation",
            "The network has no global average pooling before its classifier, so it has no pooled embedding. "
            "Choose a network that has one, mobilenet_v2 for example.",
        )
    features = pools[-1].args[0]
    embedding = pools[-1]
    while len(_shape(embedding)) > 2:
        (embedding,) = embedding.users
    size = int(_shape(embedding)[1])
    logits = output.args[0]
    output.args = ((logits, embedding, features),)
    last = _module(graph, logits)
    direct = isinstance(last, nn.Linear) and logits.args[0] is embedding and _shape(features)[1] == size
    return Head(size, str(logits.target) if direct else None)


_Fold = dict[fx.Node, float]


def _fold_scales(graph: fx.GraphModule, class_map: str | None) -> None:
    """Write HardSwish and HardSigmoid with a ReLU6, their factor 1/6 folded into the next linear weights.

    ``hardswish(x) = x * relu6(x + 3) / 6`` costs one more pass over the tensor for the division than it needs to:
    the factor is carried along through linear operations until a convolution or Linear takes it up.
    """
    pending: _Fold = {}
    for node in list(graph.graph.nodes):
        module = _module(graph, node)
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
    source = _module(graph, x)
    if isinstance(source, nn.Conv2d | nn.Linear) and source.bias is not None and len(x.users) == 1:
        source.bias.data.add_(3.0)  # the shift becomes part of the bias, and the ReLU6 can be fused
        return graph.graph.call_function(F.relu6, (x,))
    return graph.graph.call_function(F.relu6, (graph.graph.call_function(operator.add, (x, 3.0)),))
