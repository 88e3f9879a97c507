"""The one graph that both exports come from: batch-norm folded, scales folded, weights rounded, once.

A trained torchvision network becomes a :class:`Deployed` module that takes uint8 pixels, last channel, and returns
logits, embedding and features. Everything that changes a weight happens here, before ONNX and TensorFlow.js see it,
so the two hold the same numbers, and this module in PyTorch is the reference that both are measured against.
"""

from __future__ import annotations

import copy
from typing import Final, cast

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.optimization import fuse
from torch.fx.passes.fake_tensor_prop import FakeTensorProp

from training.folding import fold_layer_norms, fold_layer_scales, fold_sixths
from training.head import Head, expose_head, module_of
from training.rounding import integer_bits, round_weights
from twinlens.contract import Normalize

# Mean and standard deviation that torchvision's `transform_input` takes its input to be normalised with.
_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Deployed(nn.Module):
    """uint8 pixels (N, height, width, 3) to logits (N, L), embedding (N, E) and features (N, C, h, w), float32."""

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, network: fx.GraphModule, head: Head, scale: torch.Tensor, offset: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        self.head = head
        self.register_buffer("scale", scale.float())
        self.register_buffer("offset", offset.float())

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalise and run the network."""
        logits, embedding, features = self.network(self.normalised(image))
        return logits, embedding, features

    def normalised(self, image: torch.Tensor) -> torch.Tensor:
        """What the network itself takes: float32 (N, 3, height, width)."""
        return (image.to(torch.float32) * self.scale + self.offset).permute(0, 3, 1, 2)


def deploy(network: nn.Module, size: tuple[int, int], normalize: Normalize, weights: str = "float16") -> Deployed:
    """Make the graph that is exported.

    :param network: a torchvision classification network; it is not changed.
    :param size: height and width of its input in pixels.
    :param normalize: the normalisation that becomes part of the graph.
    :param weights: what weights are rounded to, one of :data:`training.rounding.WEIGHTS`.
    :raises TwinlensError: ``unsupported_operation`` if the network cannot be traced, its head is of no known kind, or
        as :func:`training.rounding.round_weights` does; ``invalid_arguments`` for unknown ``weights``.
    """
    integer_bits(weights)  # an unknown word is refused before the work
    network = copy.deepcopy(network).eval()
    scale, offset = _input_scale(network, normalize)
    traced = trace(network)
    # Folding in float64 keeps the folded weights within one float32 rounding of the trained network's.
    folded = cast(fx.GraphModule, fuse(traced.double(), no_trace=True))
    # Shapes alone, of two images; nothing is computed.
    shapes = FakeTensorProp(folded, FakeTensorMode(allow_non_fake_inputs=True))
    shapes.propagate(torch.zeros(2, 3, *size, dtype=torch.float64))
    head = expose_head(folded)
    fold_layer_norms(folded)
    fold_layer_scales(folded)
    fold_sixths(folded, head.class_map)
    folded.graph.eliminate_dead_code()
    folded.delete_all_unused_submodules()
    folded.recompile()
    folded.float().requires_grad_(False)
    round_weights(folded, weights)
    return Deployed(folded, head, scale, offset).eval()


def _input_scale(network: nn.Module, normalize: Normalize) -> tuple[torch.Tensor, torch.Tensor]:
    """The scale and the offset that make a network's input from pixels.

    The scaling that GoogLeNet and Inception do themselves becomes part of them, and is turned off in the network.
    """
    mean = torch.tensor(normalize.mean, dtype=torch.float64)
    std = torch.tensor(normalize.std, dtype=torch.float64)
    scale, offset = normalize.scale / std, -mean / std
    if getattr(network, "transform_input", False):
        network.transform_input = False  # type: ignore[assignment]
        own_mean, own_std = torch.tensor(_IMAGENET, dtype=torch.float64)
        scale, offset = scale * own_std / 0.5, (offset * own_std + own_mean - 0.5) / 0.5
    return scale, offset


def trace(network: nn.Module) -> fx.GraphModule:
    """A network as a graph, without what does nothing in evaluation, so that neighbours that can be folded meet.

    :param network: in evaluation mode.
    """
    graph = fx.symbolic_trace(network)
    for node in list(graph.graph.nodes):
        idle = isinstance(module_of(graph, node), nn.Dropout | nn.Identity)
        if idle or getattr(node.target, "__name__", "") in ("stochastic_depth", "dropout"):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()
    return graph
