import pytest
import torch
from torch import nn

from tests.unit.training.networks import NORMALIZE, SIZE, inputs, trained_logits
from training.deploy import deploy
from training.networks import create
from twinlens.errors import TwinlensError
from twinlens.golden import relative_error


class Small(nn.Module):
    """A convolution, a pool to a fixed size, and linear layers on the flattened map, as VGG ends."""

    def __init__(self, pooled: int, channels: int = 4) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, channels, 3, stride=32, padding=1)  # 96 pixels become 3
        self.pool = nn.AdaptiveAvgPool2d(pooled)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(channels * pooled**2, 6), nn.ReLU(), nn.Linear(6, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.classifier(self.pool(self.features(x)))
        return found


def same_answer(network: nn.Module, size: tuple[int, int] = SIZE) -> tuple[torch.Tensor, torch.Tensor]:
    """Deploy, check the logits, and return embedding and features."""
    pixels = inputs() if size == SIZE else torch.zeros(2, *size, 3, dtype=torch.uint8)
    logits, embedding, features = deploy(network, size, NORMALIZE, "float32")(pixels)
    assert relative_error(logits.numpy(), trained_logits(network, pixels)) < 1e-5
    return embedding, features


@pytest.mark.parametrize("pooled", [3, 7, 4])
def test_a_flattened_map_is_the_features_and_their_average_the_embedding(pooled: int) -> None:
    network = Small(pooled).eval()
    embedding, features = same_answer(network)
    assert features.shape == (3, 4, 3, 3)  # what was pooled, whatever to
    assert torch.allclose(embedding, features.mean((2, 3)), atol=1e-5)


def test_a_map_that_the_pool_divides_is_pooled_as_it_is() -> None:
    _, features = same_answer(Small(3).eval(), (192, 192))
    assert features.shape[2:] == (6, 6)


def test_a_large_map_that_the_pool_does_not_divide_is_refused_with_what_to_do() -> None:
    with pytest.raises(TwinlensError, match=r"pools a map of 4 x 4 to 3 x 3.*multiple, of 3 x 3") as caught:
        deploy(Small(3).eval(), (128, 128), NORMALIZE)
    assert caught.value.code == "unsupported_operation"


def test_a_convolution_as_the_classifier_leaves_the_features_before_it() -> None:
    network = create("squeezenet1_1", 5).eval()
    embedding, features = same_answer(network)
    assert features.shape == (3, 512, 5, 5)
    assert torch.allclose(embedding, features.mean((2, 3)), atol=1e-5)


def test_a_class_token_is_the_embedding_and_the_patches_are_the_features() -> None:
    torch.manual_seed(0)
    network = create("vit_b_32", 5).eval()
    pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    deployed = deploy(network, (224, 224), NORMALIZE, "float32")
    logits, embedding, features = deployed(pixels)
    assert relative_error(logits.numpy(), trained_logits(network, pixels)) < 1e-5
    assert embedding.shape == (2, 768)
    assert features.shape == (2, 768, 7, 7)
    assert deployed.head == (768, None)
    linear = network.heads.head
    assert torch.allclose(embedding @ linear.weight.T + linear.bias, logits, atol=1e-4)


def test_a_norm_before_the_classifier_allows_no_class_map() -> None:
    deployed = deploy(create("convnext_tiny", 5).eval(), (64, 64), NORMALIZE)
    assert deployed.head == (768, None)


def test_a_network_that_ends_in_no_known_way_is_refused() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 3))
    with pytest.raises(TwinlensError, match="head is of no known kind") as caught:
        deploy(network, SIZE, NORMALIZE)
    assert caught.value.code == "unsupported_operation"
