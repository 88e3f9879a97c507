"""Small inputs and networks whose batch-norm statistics are those of real activations, not the initial ones."""

import copy
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.networks import create, to_input
from training.settled import noise
from training.settled import settled as settled_network
from twinlens.contract import Normalize

SIZE = (96, 96)
LABELS = 10
NORMALIZE = Normalize(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def inputs(count: int = 3) -> torch.Tensor:
    """uint8 (count, height, width, 3), the same every time."""
    return noise(count, *SIZE)


def settled(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A network in evaluation mode, and pixels for it."""
    network = create(name, LABELS)
    network.load_state_dict(_state(name))
    return network.eval(), inputs()


def trained_logits(network: nn.Module, pixels: torch.Tensor) -> NDArray[np.float64]:
    """What a network answers, in float64, when it is given normalised pixels itself."""
    with torch.inference_mode():
        return np.asarray(copy.deepcopy(network).double()(_normalised(pixels).double()).numpy())


@cache
def _state(name: str) -> dict[str, torch.Tensor]:
    return settled_network(name, LABELS, inputs(16), NORMALIZE).state_dict()


def _normalised(pixels: torch.Tensor) -> torch.Tensor:
    return to_input(pixels, NORMALIZE, torch.device("cpu"))
