"""Learning goes on: a network that begins with the weights of a finished run or of a published version.

Its last layer is taken over too, output by output by the label's name, so that labels may have been added since. What
a version holds has its norms folded into the weights, and the norms of the network that it is put back into do nothing
(:mod:`training.unfolding`). Statistics of batches would change what such a network computes at the first step, so norms
keep theirs while learning goes on, as is usual where a network is tuned on few photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from training import networks
from training.source import open_source
from twinlens.errors import TwinlensError


@dataclass(frozen=True)
class Beginning:
    """A network to begin with."""

    network: nn.Module
    """In training mode."""
    sha256: str
    """Of the file that its weights were read from."""
    name: str
    """For people: which run, or which version of which model."""
    looks: list[dict[str, Any]]
    """What was measured on test with it, as :func:`training.evaluate.measurements` gives it."""
    known: int
    """How many of the labels it has outputs of its own for; the others begin at random."""


def begin(path: Path, arch: str, labels: Sequence[str]) -> Beginning:
    """Open what learning goes on from.

    :param path: folder of a finished run, of a model, or of one version of a model.
    :param arch: torchvision's name of the network that is to learn.
    :param labels: those that it is to know, in the order of the logits.
    :raises TwinlensError: ``invalid_arguments`` if that is another network or it knows none of the labels, or what
        :func:`training.source.open_source` raises.
    """
    source = open_source(path)
    if source.target.architecture != arch:
        raise TwinlensError(
            "invalid_arguments",
            f"{source.name} is {source.target.architecture}, not {arch}. Give --arch {source.target.architecture}.",
        )
    before = {label: index for index, label in enumerate(source.target.labels)}
    known = [label for label in labels if label in before]
    if not known:
        raise TwinlensError(
            "invalid_arguments",
            f"{source.name} knows none of the labels {', '.join(labels)}: there is nothing to keep.",
        )
    network = networks.create(arch, len(labels))
    head, _ = networks.head(network)
    state = source.network.state_dict()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not name.startswith(f"{head}."):
                tensor.copy_(state[name])
                continue
            for index, label in enumerate(labels):
                if label in before:
                    tensor[index].copy_(state[name][before[label]])
    return Beginning(network.train(), source.sha256, source.name, source.looks, len(known))


def norms(network: nn.Module) -> list[nn.Module]:
    """The layers whose statistics stay as they are while learning goes on."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]
