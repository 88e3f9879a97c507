import numpy as np
import pytest
import torch
from torch import nn

from tests.unit.training.networks import NORMALIZE, SIZE
from training.deploy import deploy
from training.networks import parameters
from training.settled import answers, noise, settled


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return settled("mobilenet_v3_small", 5, noise(8, *SIZE), NORMALIZE)


def test_it_is_the_same_every_time_and_leaves_the_generator_alone(network: nn.Module) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    again = settled("mobilenet_v3_small", 5, noise(8, *SIZE), NORMALIZE)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), again.parameters(), strict=True))
    assert torch.equal(noise(2, 4, 6), noise(2, 4, 6)) and noise(2, 4, 6).shape == (2, 4, 6, 3)


def test_no_statistics_are_the_initial_ones(network: nn.Module) -> None:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and not any(module.training for module in network.modules())
    for module in norms:
        for values, initial in ((module.running_mean, 0), (module.running_var, 1), (module.weight, 1)):
            assert values is not None
            assert (values != initial).all()


def test_every_block_of_convnext_counts() -> None:
    network = settled("convnext_tiny", 5, noise(1, 64, 64), NORMALIZE)
    scales = [parameter for name, parameter in network.named_parameters() if name.endswith("layer_scale")]
    assert len(scales) == 18
    assert all(scale.min() >= 0.1 for scale in scales)


def test_answers_are_in_the_layout_of_tensorflow_js(network: nn.Module) -> None:
    pixels = noise(2, *SIZE)
    found = answers(deploy(network, SIZE, NORMALIZE), pixels)
    assert list(found) == ["logits", "embedding", "features"]
    assert found["logits"].shape == (2, 5)
    np.testing.assert_allclose(found["features"].mean(axis=(1, 2)), found["embedding"], rtol=1e-4, atol=1e-5)


def test_weights_are_counted_as_torchvision_does() -> None:
    assert parameters("resnet18") == 11_689_512
