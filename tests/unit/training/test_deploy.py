import pytest
import torch
from torch import nn

from tests.unit.training.networks import NORMALIZE, SIZE, settled, trained_logits
from training.deploy import deploy
from twinlens.errors import TwinlensError
from twinlens.golden import relative_error

NAMES = ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "resnet18"]


@pytest.mark.parametrize("name", NAMES)
def test_folding_changes_no_answer(name: str) -> None:
    network, pixels = settled(name)
    logits, embedding, features = deploy(network, SIZE, NORMALIZE, "float32")(pixels)
    assert relative_error(logits.numpy(), trained_logits(network, pixels)) < 2e-5
    assert embedding.shape == (len(pixels), features.shape[1])
    assert relative_error(features.mean((2, 3)).numpy(), embedding.numpy()) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_no_batch_norm_and_no_division_is_left(name: str) -> None:
    network, _ = settled(name)
    deployed = deploy(network, SIZE, NORMALIZE)
    left = {type(module) for module in deployed.network.modules()}
    assert not left & {nn.BatchNorm2d, nn.Hardswish, nn.Hardsigmoid, nn.Dropout}


def test_rounded_weights_are_what_float16_holds_and_biases_stay() -> None:
    network, _ = settled("mobilenet_v3_small")
    rounded = dict(deploy(network, SIZE, NORMALIZE, "float16").network.named_parameters())
    exact = dict(deploy(network, SIZE, NORMALIZE, "float32").network.named_parameters())
    for name, parameter in rounded.items():
        expected = exact[name].half().float() if parameter.dim() >= 2 else exact[name]
        assert torch.equal(parameter, expected), name
    assert any(not torch.equal(rounded[name], exact[name]) for name in rounded)


def test_the_network_itself_is_left_as_it_was() -> None:
    network, _ = settled("mobilenet_v3_small")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    deploy(network, SIZE, NORMALIZE)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("name", "direct"), [("mobilenet_v2", True), ("resnet18", True), ("mobilenet_v3_small", False)]
)
def test_class_maps_where_the_head_is_one_linear_layer(name: str, direct: bool) -> None:
    network, pixels = settled(name)
    deployed = deploy(network, SIZE, NORMALIZE)
    assert (deployed.head.class_map is not None) == direct
    if deployed.head.class_map:
        linear = deployed.network.get_submodule(deployed.head.class_map)
        logits, _, features = deployed(pixels)
        maps = torch.einsum("nchw,lc->nlhw", features, linear.weight)
        assert torch.allclose(maps.mean((2, 3)) + linear.bias, logits, atol=1e-5)


def test_the_scaling_that_a_network_does_itself_becomes_part_of_its_input() -> None:
    network, pixels = settled("googlenet")
    deployed = deploy(network, SIZE, NORMALIZE, "float32")
    assert relative_error(deployed(pixels)[0].numpy(), trained_logits(network, pixels)) < 2e-5
    assert network.transform_input is True
    scale = torch.tensor([1 / 255 / 0.5] * 3)  # (pixel / 255 - 0.5) / 0.5 for all three colours
    assert torch.allclose(deployed.scale, scale)
    assert torch.allclose(deployed.offset, torch.full((3,), -1.0))


def test_a_weight_too_large_for_float16_is_refused_by_name() -> None:
    network, _ = settled("mobilenet_v2")
    network.get_parameter("classifier.1.weight").data[0, 0] = 1e6
    with pytest.raises(TwinlensError, match=r"classifier\.1\.weight reaches 1e\+06.*--weights float32"):
        deploy(network, SIZE, NORMALIZE)
    deploy(network, SIZE, NORMALIZE, "float32")


def test_an_unknown_rounding_is_refused() -> None:
    with pytest.raises(TwinlensError, match="choose one of float16, float32"):
        deploy(nn.Identity(), SIZE, NORMALIZE, "int3")
