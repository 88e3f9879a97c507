"""The shipped graph, run by ONNX Runtime and turned back into PyTorch: both give the same logits."""

import numpy as np
import onnx
import pytest
import torch

from loadtest.peers.eager import network_of
from tests.servers import ROOT
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.store import ModelVersion, open_current


@pytest.fixture(scope="module")
def shipped() -> ModelVersion:
    return open_current(ROOT / "bentos" / "clothing")


def graph_of(version: ModelVersion) -> onnx.GraphProto:
    return onnx.load_from_string(version.read(version.contract.graphs.onnx.path)).graph


def test_the_logits_are_those_of_the_graph(shipped: ModelVersion) -> None:
    contract = shipped.contract
    pixels = np.random.default_rng(0).integers(0, 256, (2, contract.crop.height, contract.crop.width, 3), np.uint8)
    wanted = Network(shipped).logits(pixels)
    rules = contract.normalize
    normal = (pixels * rules.scale - np.asarray(rules.mean)) / np.asarray(rules.std)
    with torch.inference_mode():
        found = network_of(graph_of(shipped), contract)(torch.from_numpy(normal.transpose(0, 3, 1, 2)).float())
    assert np.abs(found.numpy() - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_another_network_is_refused(shipped: ModelVersion) -> None:
    other = shipped.contract.model.model_copy(update={"architecture": "resnet18"})
    with pytest.raises(TwinlensError, match=r"mobilenet_v2 only, and this model is resnet18") as caught:
        network_of(onnx.GraphProto(), shipped.contract.model_copy(update={"model": other}))
    assert caught.value.code == "unknown_network"


def test_a_graph_of_other_layers_is_refused(shipped: ModelVersion) -> None:
    graph = graph_of(shipped)
    last = next(node for node in graph.node if node.op_type == "Gemm")
    graph.node.remove(last)
    with pytest.raises(TwinlensError, match="does not have the layers") as caught:
        network_of(graph, shipped.contract)
    assert caught.value.code == "invalid_model"
