import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from tests.unit.training.networks import LABELS, NORMALIZE, SIZE, settled
from training.deploy import deploy
from training.networks import create
from training.unfolding import make_neutral, unfold
from twinlens.errors import TwinlensError

State = dict[str, torch.Tensor]


def folded(network: nn.Module, weights: str) -> State:
    state: State = deploy(network, SIZE, NORMALIZE, weights).network.state_dict()
    # How many batches a norm has seen is of no use to a graph, and is not in it.
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


def same_bits(one: State, two: State) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("eps", [1e-5, 1e-3, 0.1])
def test_folding_a_neutral_batch_norm_changes_no_bit(eps: float) -> None:
    generator = torch.Generator().manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(64, 128, 3, bias=False), nn.BatchNorm2d(128, eps))
    make_neutral(layers)
    norm = layers[1]
    weight = torch.randn(128, 64, 3, 3, generator=generator) * torch.logspace(-9, 9, 128).view(-1, 1, 1, 1)
    bias = torch.randn(128, generator=generator)
    norm.bias.data.copy_(bias)
    doubled = norm.double()
    found_weight, found_bias = fuse_conv_bn_weights(
        weight.double(), None, doubled.running_mean, doubled.running_var, doubled.eps, doubled.weight, doubled.bias
    )
    assert torch.equal(found_weight.float(), weight)
    assert torch.equal(found_bias.float(), bias)


@pytest.mark.parametrize("weights", ["int4-channel", "float16"])
@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "resnet18"])
def test_rounded_weights_come_back_and_fold_to_the_very_same(name: str, weights: str) -> None:
    network, _ = settled(name)
    before = folded(network, weights)
    back = unfold(create(name, LABELS), before, SIZE, NORMALIZE)
    again = folded(back, "float32")
    # float16 is for tensors of two or more dimensions; a bias that 3 was added to has all its bits.
    exact = {key for key in before if weights != "float16" or before[key].dim() > 1}
    assert same_bits({key: before[key] for key in exact}, {key: again[key] for key in exact})
    assert all(torch.allclose(again[key], before[key], rtol=0, atol=1e-6) for key in before)
    # Rounding what is rounded finds the same scales again.
    assert same_bits(folded(back, weights), {**again, **{key: before[key] for key in exact}})


def test_batch_norms_that_follow_no_layer_keep_their_numbers() -> None:
    network, _ = settled("densenet121")
    before = folded(network, "int6-channel")
    assert "features.norm5.running_var" in before
    assert same_bits(folded(unfold(create("densenet121", LABELS), before, SIZE, NORMALIZE), "float32"), before)


@pytest.fixture(scope="module")
def small() -> State:
    return folded(settled("shufflenet_v2_x0_5")[0], "float16")


def test_weights_that_do_not_fit_are_named(small: State) -> None:
    def place(state: State) -> None:
        unfold(create("shufflenet_v2_x0_5", LABELS), state, SIZE, NORMALIZE)

    with pytest.raises(TwinlensError, match=r"The weight fc\.weight is missing") as refused:
        place({name: value for name, value in small.items() if name != "fc.weight"})
    assert refused.value.code == "unsupported_operation"
    with pytest.raises(TwinlensError, match=r"The weight fc\.bias is of the shape \[9\], and must be .* \[10\]"):
        place({**small, "fc.bias": torch.zeros(9)})


class Pooled(nn.Module):
    """A map of 2 x 2 pooled to 3 x 3, as a small photo's is in VGG."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, stride=48, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.flat = nn.Flatten()
        self.classifier = nn.Linear(36, LABELS)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.classifier(self.flat(self.pool(self.features(pixels))))
        return answer


def test_a_pool_that_was_folded_in_cannot_be_taken_out() -> None:
    before = folded(Pooled(), "float32")
    assert before["classifier.weight"].shape == (LABELS, 16)
    with pytest.raises(TwinlensError, match=r"classifier\.weight is made of several") as refused:
        unfold(Pooled(), before, SIZE, NORMALIZE)
    assert refused.value.code == "unsupported_operation"


class Normed(nn.Module):
    """A layer norm before a layer without a bias, as Swin has between its stages."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, stride=48, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.norm = nn.LayerNorm(4)
        self.classifier = nn.Linear(4, LABELS, bias=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.classifier(self.norm(self.flat(self.pool(self.features(pixels)))))
        return answer


def test_a_bias_that_the_network_has_no_place_for_is_named() -> None:
    before = folded(Normed(), "float32")
    assert before["classifier.bias"].shape == (LABELS,)
    with pytest.raises(TwinlensError, match=r"classifier\.bias has no place in the network") as refused:
        unfold(Normed(), before, SIZE, NORMALIZE)
    assert refused.value.code == "unsupported_operation"
