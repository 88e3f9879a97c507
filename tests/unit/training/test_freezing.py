import pytest
import torch
from torch import nn

from training import networks
from training.freezing import early_layers, freeze


def _names(network: nn.Module, layers: list[nn.Module]) -> list[str]:
    names = {module: name for name, module in network.named_modules()}
    return [names[layer] for layer in layers]


def test_the_early_layers_are_those_with_large_maps() -> None:
    network = networks.create("mobilenet_v2", 3)
    names = _names(network, early_layers(network, 224, 8))
    assert names[0] == "features.0.0"
    assert names[-1] == "features.7.conv.0.2"  # the next one halves a map of 28 x 28
    assert early_layers(network, 64, 8) == early_layers(network, 224, 8)


@pytest.mark.parametrize("stride", [0, 1])
def test_a_stride_of_nothing_freezes_nothing(stride: int) -> None:
    assert early_layers(networks.create("mobilenet_v2", 3), 64, stride) == []


def test_squeeze_and_excitation_does_not_end_them() -> None:
    network = networks.create("efficientnet_b0", 3)
    names = _names(network, early_layers(network, 224, 8))
    assert "features.3.1.block.2.fc1" in names
    assert not any(name.startswith("features.5") for name in names)


def test_a_network_without_such_maps_is_not_frozen_whole() -> None:
    assert early_layers(networks.create("vit_b_32", 3), 224, 32) == []


def test_looking_changes_nothing() -> None:
    network = networks.create("resnet18", 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    early_layers(network, 64, 8)
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_frozen_layers_get_no_gradient_and_the_others_do() -> None:
    network = networks.create("resnet18", 3)
    frozen = early_layers(network, 64, 8)
    freeze(frozen)
    network(torch.rand(2, 3, 64, 64)).sum().backward()
    ids = {id(parameter) for layer in frozen for parameter in layer.parameters()}
    for parameter in network.parameters():
        assert (parameter.grad is None) == (id(parameter) in ids)
