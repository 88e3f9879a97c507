"""The deployed ONNX graph turned back into torchvision's network, for PyTorch's eager mode."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torchvision.models import mobilenet_v2

from twinlens.contract import Contract
from twinlens.errors import TwinlensError

ARCHITECTURE: Final = "mobilenet_v2"


def network_of(graph: onnx.GraphProto, contract: Contract) -> nn.Module:
    """torchvision's mobilenet_v2 with a deployed graph's weights, in evaluation mode.

    The graph has its batch norms in the convolutions, so these get a bias and the batch norms give way to nothing.

    :return: takes float32 of shape (N, 3, height, width), normalised by the contract, and gives (N, labels) logits.
    :raises TwinlensError: ``unknown_network`` for another network, ``invalid_model`` if the graph's layers are not its.
    """
    if contract.model.architecture != ARCHITECTURE:
        raise TwinlensError(
            "unknown_network",
            f"The peer in PyTorch's eager mode serves {ARCHITECTURE} only, and this model is "
            f"{contract.model.architecture}. Leave the peer out, or give a version of the model that ships.",
        )
    network: nn.Module = mobilenet_v2(weights=None, num_classes=len(contract.labels))
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.Conv2d):
                child.bias = nn.Parameter(torch.zeros(child.out_channels))
    wanted = [
        parameter
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
        for parameter in (layer.weight, layer.bias)
        if parameter is not None
    ]
    known = _constants(graph)
    # Both lists are in the order in which the layers run.
    found = [known[name] for node in graph.node if node.op_type in ("Conv", "Gemm") for name in node.input[1:3]]
    if [each.shape for each in wanted] != [each.shape for each in found]:
        raise TwinlensError(
            "invalid_model", f"The ONNX graph does not have the layers of {ARCHITECTURE}. Export the model again."
        )
    with torch.no_grad():
        for parameter, value in zip(wanted, found, strict=True):
            parameter.copy_(value)
    return network.eval()


def _constants(graph: onnx.GraphProto) -> dict[str, torch.Tensor]:
    """What a graph computes from stored tensors alone, by name: its weights above all.

    A weight is stored as float32, as float16 that is cast, or as integers that are cast and multiplied by their scales.
    """
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if not all(name in values for name in node.input):
            continue
        if node.op_type == "Cast":
            values[node.output[0]] = values[node.input[0]].astype(np.float32)
        elif node.op_type == "Mul":
            values[node.output[0]] = values[node.input[0]] * values[node.input[1]]
    return {name: torch.from_numpy(np.array(value)) for name, value in values.items()}
