"""Keeping the first layers of a network as they were initialised.

Early layers hold edges and textures, which photos of any kind share (Yosinski et al., arXiv 1411.1792). Left as they
are, with their batch-norm statistics, they cannot be overfitted to a few thousand photos, and nothing is
differentiated there, where the maps are largest: a step of mobilenet_v2 takes half the time.
"""

from __future__ import annotations

import torch
from torch import nn


def early_layers(network: nn.Module, size: int, stride: int) -> list[nn.Module]:
    """The layers that a photo meets before its map is smaller than a part of its edge.

    What pools a map to a single pixel on the side (squeeze and excitation) does not end them.

    :param network: on any device; its mode is left as it is.
    :param size: edge of the photo, in pixels.
    :param stride: the part: 8 means maps of at least ``size / 8``; 0 or 1 gives no layers.
    :return: modules without children, in the order of the forward pass; none for a network without such maps.
    """
    if stride < 2:
        return []
    early: list[nn.Module] = []
    ended = False

    def passed(layer: nn.Module, _: object, output: object) -> None:
        nonlocal ended
        if isinstance(output, torch.Tensor) and output.dim() == 4 and 1 < output.shape[2] < size // stride:
            ended = True
        if not ended:
            early.append(layer)

    layers = [module for module in network.modules() if next(module.children(), None) is None]
    hooks = [layer.register_forward_hook(passed) for layer in layers]
    training = network.training
    parameter = next(network.parameters())
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, size, size, device=parameter.device))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    # A network whose maps never shrink like this, as a transformer's, would otherwise be frozen whole.
    return early if ended else []


def freeze(layers: list[nn.Module]) -> None:
    """Have no gradient computed for the layers' own parameters."""
    for layer in layers:
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(False)
