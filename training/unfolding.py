"""The way back from the deployed graph: its weights in torchvision's own network, such that folding gives them again.

``deploy`` folds batch norm, layer norm and constant factors into the weights. Here the same network gets norms that do
nothing, and the folded weights beside them, so that whatever takes a trained network takes this one too. By what
constants a layer is multiplied and shifted is not written down a second time: a network whose weights are all one and
whose biases are all zero is folded, and shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from training.deploy import deploy, trace
from training.head import module_of
from twinlens.contract import Normalize
from twinlens.errors import TwinlensError

_COUNT: Final = "num_batches_tracked"


def unfold(
    network: nn.Module, folded: Mapping[str, torch.Tensor], size: tuple[int, int], normalize: Normalize
) -> nn.Module:
    """Give a network the weights of its deployed graph.

    ``deploy(network, size, normalize, "float32")`` then holds the very same numbers, if they have so few bits that
    multiplying them by 6 loses none, as all rounded weights have. A float32 that was divided by 6, or shifted by 3,
    comes back to within its last bit.

    :param network: torchvision's, made by :func:`training.networks.create`; it is changed in place.
    :param folded: float32 tensors by the name that they have in ``deploy(…).network``.
    :param size: height and width of the graph's input in pixels.
    :param normalize: the graph's normalisation.
    :return: the network, in evaluation mode.
    :raises TwinlensError: ``unsupported_operation`` if one of the graph's weights is missing, is of another shape, or
        is not the network's own (an adaptive pool was folded into it, or it is the bias that a layer norm left to a
        layer without one).
    """
    make_neutral(network.eval())
    neutral = deploy(network, size, normalize, "float32").network.state_dict()
    norms = _folded_norms(network, neutral)
    own = network.state_dict()
    for name, shown in neutral.items():
        if name.endswith(_COUNT):
            continue
        if name not in folded or folded[name].shape != shown.shape:
            found = f"is of the shape {list(folded[name].shape)}" if name in folded else "is missing"
            raise TwinlensError(
                "unsupported_operation",
                f"The weight {name} {found}, and must be of the shape {list(shown.shape)}: the graph was written in "
                "another way than the direct one, or by another version of torchvision.",
            )
        module, _, kind = name.rpartition(".")
        place = f"{norms[module]}.{kind}" if kind == "bias" and module in norms else name
        if place not in own:
            raise TwinlensError(
                "unsupported_operation",
                f"The weight {name} has no place in the network: the offset of a layer norm is folded into a layer "
                "that has no bias. Networks with such layers (swin_t and its like) cannot be taken apart again.",
            )
        layer = isinstance(network.get_submodule(module), nn.Conv2d | nn.Linear)
        factor = float(shown.flatten()[0])
        if own[place].shape != shown.shape or (layer and kind == "weight" and not bool((shown == factor).all())):
            raise TwinlensError(
                "unsupported_operation",
                f"The weight {name} is made of several (a pool is folded into it), which cannot be taken apart again. "
                "With another image size it may not be.",
            )
        value = folded[name].double()
        if layer:
            value = value - shown if kind == "bias" else value * round(1 / factor)
        own[place].copy_(value)
    return network


def make_neutral(network: nn.Module) -> None:
    """Make a network's biases zero and all its other weights one, in place, its norms such that folding does nothing.

    That is exact: a weight that a neutral batch norm is folded into, in float64, is the same float32 again.
    """
    with torch.no_grad():
        for module in network.modules():
            for name, parameter in module.named_parameters(recurse=False):
                parameter.fill_(0.0 if name == "bias" else 1.0)
            if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None:
                module.running_mean.zero_()
                # As a float32 it is off by 2^-25 at most, its root by 2^-26: less than half the last bit of any weight.
                module.running_var.fill_(1.0 - module.eps)


def _folded_norms(network: nn.Module, neutral: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """The batch norm that is folded into each layer, by the layer's name."""
    graph = trace(network)
    norms = {}
    for node in graph.graph.nodes:
        if isinstance(module_of(graph, node), _BatchNorm) and f"{node.target}.running_var" not in neutral:
            norms[str(node.args[0].target)] = str(node.target)
    return norms
