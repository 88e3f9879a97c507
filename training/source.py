"""What learning goes on from: a finished run, or a published version where the run is gone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from training import checkpoint, model_card, networks, published
from training.evaluate import measurements_from, measurements_in
from training.model_card import CARD
from training.run import load
from training.target import Target, open_target
from twinlens.errors import TwinlensError


@dataclass(frozen=True)
class Source:
    """A trained network, and what is known of where it came from."""

    target: Target
    network: nn.Module
    """In evaluation mode."""
    sha256: str
    """Of the file that its weights were read from: ``best.pt`` or ``model.onnx``."""
    name: str
    """For people: which run, or which version of which model."""
    origin: list[str]
    """Lines of a model card: initial weights, teachers, training."""
    looks: list[dict[str, Any]]
    """What was measured on test with it and with what it was made from, as :func:`training.evaluate.measurements`."""


def open_source(path: Path) -> Source:
    """Open a run or a version with its weights.

    :param path: folder of a finished run, of a model, or of one version of a model.
    :raises TwinlensError: ``invalid_arguments`` for a run that is not finished, or what
        :func:`training.target.open_target` and :func:`training.published.open_network` raise.
    """
    target = open_target(path)
    if target.version is not None:
        contract = target.version.contract
        graph = contract.graphs.onnx.path
        sha256 = next(file.sha256 for file in contract.files if file.path == graph)
        network = published.open_network(target.version)
        name = f"version {contract.model.version} of {contract.model.name}"
        card = target.path / CARD
        return Source(target, network, sha256, name, model_card.origin_in(card), measurements_in(card))
    record = load(path)
    if record.finished is None:
        raise TwinlensError("invalid_arguments", f"{path} is not finished. Go on with it: train … --resume.")
    network = networks.create(record.arch, len(record.labels))
    network.load_state_dict(checkpoint.load_best(path))
    sha256 = checkpoint.best_sha256(path)
    name, looks = f"the run {target.name}", measurements_from(path)
    return Source(target, network.eval(), sha256, name, model_card.origin(record), looks)
