"""Networks with random weights that are fit to try a conversion with: for tests and the conversion benchmark.

An untrained network hides mistakes: its batch-norm statistics are 0 and 1, its normalisations scale by 1, and
ConvNeXt's blocks count for a millionth. Here the statistics are those of real activations, and what is constant at
first is random, so that a wrong axis, order or sign changes the answer.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.deploy import Deployed
from training.networks import create, to_input
from training.onnx_graph import OUTPUTS
from twinlens.contract import Normalize

_SEED: Final = 0


def settled(arch: str, labels: int, pixels: torch.Tensor, normalize: Normalize) -> nn.Module:
    """A network in evaluation mode, the same every time.

    :param arch: torchvision's name of the network.
    :param labels: number of outputs.
    :param pixels: what the batch-norm statistics are taken from, uint8 of shape (N, height, width, 3).
    :param normalize: the normalisation of its input.
    :raises TwinlensError: ``unknown_network``.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(_SEED)
        network = create(arch, labels).eval()
        for name, parameter in network.named_parameters():
            if name.endswith("layer_scale"):
                nn.init.uniform_(parameter, 0.1, 1.0)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the statistics of the first batch, whole
                module.train()
        network(to_input(pixels, normalize, torch.device("cpu")))
    return network.eval()


def noise(count: int, height: int, width: int) -> torch.Tensor:
    """uint8 pixels of shape (count, height, width, 3), the same every time."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, generator=generator)


def answers(deployed: Deployed, pixels: torch.Tensor) -> dict[str, NDArray[np.float32]]:
    """What PyTorch answers with the weights that are exported, every output in the layout of TensorFlow.js.

    :param pixels: uint8 of shape (N, height, width, 3).
    :return: float32 arrays by name: logits (N, labels), embedding (N, size), features (N, rows, columns, channels).
    """
    with torch.inference_mode():
        logits, embedding, features = deployed(pixels)
    arrays = (logits, embedding, features.permute(0, 2, 3, 1))
    return {name: array.contiguous().numpy() for name, array in zip(OUTPUTS, arrays, strict=True)}
