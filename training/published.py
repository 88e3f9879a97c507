"""A published version as a network to learn from: the weights of its ``model.onnx`` in torchvision's own network.

A version's graph holds everything that a network needs but its norms, which are folded into the weights
(:mod:`training.unfolding`). So learning can go on from what is served, where the run it came from is gone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from torch import nn

from training import networks
from training.rules import standard
from training.unfolding import unfold
from twinlens.errors import TwinlensError
from twinlens.store import ModelVersion

PREFIX: Final = "network."
"""What the names of a network's weights begin with in the graph, before their name in the deployed module."""


def open_network(version: ModelVersion) -> nn.Module:
    """The network of a version, with the weights that the version answers with.

    :param version: exported with integers, float16 or float32.
    :return: torchvision's network of the contract's architecture, in evaluation mode, its norms neutral.
    :raises TwinlensError: ``invalid_model`` if the graph's bytes are not those of the contract or are no graph,
        ``unknown_network`` if torchvision has no such architecture, ``unsupported_operation`` if the graph's weights
        cannot be placed in it or its preprocessing is not what a run is trained for; all name the version.
    """
    contract = version.contract
    networks.check(contract.model.architecture, networks.NONE)
    _check_rules(version)
    network = networks.create(contract.model.architecture, len(contract.labels))
    path = contract.graphs.onnx.path
    try:
        graph = onnx.load_from_string(version.read(path)).graph
    except TwinlensError:
        raise
    except Exception as error:  # protobuf's own
        raise TwinlensError(
            "invalid_model", f"{version.path / path} is no ONNX graph ({type(error).__name__}). Export the model again."
        ) from None
    folded = {
        name.removeprefix(PREFIX): torch.from_numpy(np.array(values))
        for name, values in expanded(graph).items()
        if name.startswith(PREFIX) and values.dtype == np.float32
    }
    try:
        return unfold(network, folded, (contract.crop.height, contract.crop.width), contract.normalize)
    except TwinlensError as error:
        raise TwinlensError(
            error.code, f"{version.path / path}: {error.detail} Give the training run that it was exported from."
        ) from error


def expanded(graph: onnx.GraphProto) -> dict[str, NDArray[np.generic]]:
    """Every constant of a graph by its name: as stored, or as the Cast and the Mul behind it give it.

    :param graph: as :func:`training.onnx_graph.encode` writes it, its nodes in the order of their computation.
    """
    values: dict[str, NDArray[np.generic]] = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if not all(name in values for name in node.input):
            continue
        inputs = [values[name] for name in node.input]
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT:
            values[node.output[0]] = inputs[0].astype(np.float32)
        elif node.op_type == "Mul":
            values[node.output[0]] = np.multiply(*inputs)
    return values


def _check_rules(version: ModelVersion) -> None:
    """A run has the rules of today's :func:`training.rules.standard`; a version may be older."""
    contract = version.contract
    normalize = contract.normalize
    rules = standard(
        contract.resize.shorter_edge, contract.crop.height, normalize.mean, normalize.std, contract.resize.squeeze
    )
    for name in ("decode", "resize", "crop", "normalize"):
        if getattr(rules, name) != getattr(contract, name):
            raise TwinlensError(
                "unsupported_operation",
                f"{version.path} was exported with other rules ({name}) than this version of Twinlens trains for. Give "
                "the training run that it was exported from.",
            )
