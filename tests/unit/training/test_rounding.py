import numpy as np
import pytest
import torch
from torch import nn

from training.integers import integer_limit, integers
from training.rounding import WEIGHTS, best_scales, integer_bits, quantise, round_weights, straight_through
from twinlens.errors import TwinlensError

GENERATOR = torch.Generator().manual_seed(7)
KERNELS = {
    "convolution": torch.randn(24, 16, 3, 3, generator=GENERATOR) * torch.logspace(-4, 2, 24).view(-1, 1, 1, 1),
    "depthwise": torch.randn(40, 1, 3, 3, generator=GENERATOR),
    "linear": torch.randn(10, 64, generator=GENERATOR) * 1e-3,
}


def bits_of(values: np.ndarray) -> np.ndarray:
    """The bits themselves: as numbers, the two zeros are equal."""
    return np.ascontiguousarray(values, np.float32).view(np.uint32)


@pytest.mark.parametrize("bits", [8, 6, 5, 4, 2])
@pytest.mark.parametrize("kind", KERNELS)
def test_what_is_rounded_is_found_again_as_integers_and_scales(kind: str, bits: int) -> None:
    rounded = quantise(KERNELS[kind], bits).numpy()
    found = integers(rounded, (0,))
    assert found is not None
    assert found.values.dtype == np.int8
    assert found.axes == [0]
    assert found.bits <= bits
    np.testing.assert_array_equal(bits_of(found.values * found.scales), bits_of(rounded))


@pytest.mark.parametrize(("bits", "share"), [(8, 1.02), (6, 1.0), (4, 0.95)])
def test_rounding_is_nearer_than_by_the_scale_that_clips_nothing(bits: int, share: float) -> None:
    weight = KERNELS["convolution"]
    scale = weight.abs().amax((1, 2, 3), keepdim=True) / integer_limit(bits)
    plain = (weight / scale).round() * scale
    error, plainly = (((found - weight) ** 2).sum((1, 2, 3)) for found in (quantise(weight, bits), plain))
    # A scale of eight bits is another one than the plain one, so single channels may come out a little worse.
    assert (error <= plainly * 1.2).all()
    assert (error / plainly).mean() < share


def test_clipping_is_found_where_one_weight_is_far_out() -> None:
    weight = torch.randn(1, 4096, generator=GENERATOR)
    weight[0, 0] = 8.0
    assert quantise(weight, 4).abs().max() < 6
    assert quantise(weight, 8).abs().max() > 7


def test_rounding_again_changes_nothing() -> None:
    once = quantise(KERNELS["convolution"], 6)
    assert torch.equal(quantise(once, 6), once)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("kind", KERNELS)
def test_what_is_learned_through_is_what_is_exported(kind: str, bits: int) -> None:
    weight = KERNELS[kind].clone()
    weight[1] = 0
    scales = best_scales(weight, bits)
    assert scales.shape == (len(weight), *[1] * (weight.dim() - 1))
    seen = straight_through(weight, scales, bits).numpy()
    np.testing.assert_array_equal(bits_of(seen), bits_of(quantise(weight, bits).numpy()))


def test_the_gradient_passes_through_the_rounding_but_not_where_it_clips() -> None:
    weight = torch.tensor([[0.2, -0.9, 3.4, -3.6, 9.0]], requires_grad=True)
    seen = straight_through(weight, torch.ones(1, 1), 3)
    assert seen.tolist() == [[0, -1, 3, -3, 3]]
    (seen * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[1, 2, 3, 0, 0]]


def test_channels_of_nothing_or_next_to_nothing_become_zero() -> None:
    weight = torch.stack([torch.zeros(9), torch.full((9,), -1e-36), torch.linspace(-1, 1, 9)])
    rounded = quantise(weight, 8)
    assert (bits_of(rounded[:2].numpy()) == 0).all()
    found = integers(rounded.numpy(), (0,))
    assert found is not None and found.scales[0] == 0


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 64, 3), nn.Flatten(), nn.Linear(64, 10)
    )


def test_the_smallest_tensors_keep_eight_bits_and_biases_become_float16() -> None:
    before, after = network(), network()
    round_weights(after, "int4-channel")
    trained = dict(before.named_parameters())
    needed = {}
    for name, parameter in after.named_parameters():
        if parameter.dim() == 1:
            assert torch.equal(parameter, trained[name].half().float()), name
        else:
            found = integers(parameter.detach().numpy(), (0,))
            assert found is not None
            needed[name] = found.bits
    # 216, 72, 4608 and 640 weights: a tenth of them is 553.
    assert needed == {"0.weight": 8, "1.weight": 8, "2.weight": 4, "4.weight": 4}


def test_a_layer_of_one_number_for_each_channel_is_float16() -> None:
    layers = nn.Sequential(nn.Conv2d(8, 8, 1, groups=8), nn.Linear(8, 8))
    expected = layers[0].weight.detach().half().float()
    round_weights(layers, "int8-channel")
    assert torch.equal(layers[0].weight, expected)


def test_float32_changes_nothing() -> None:
    after = network()
    round_weights(after, "float32")
    assert all(torch.equal(a, b) for a, b in zip(network().parameters(), after.parameters(), strict=True))


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("weights", ["float16", "int6-channel"])
def test_weights_that_are_no_numbers_are_refused_by_name(weights: str, value: float) -> None:
    broken = network()
    broken[2].weight.data[0, 0, 0, 0] = value
    with pytest.raises(TwinlensError, match=r"Weight 2\.weight reaches (inf|nan)") as caught:
        round_weights(broken, weights)
    assert caught.value.code == "unsupported_operation"


def test_a_bias_too_large_for_float16_stays_as_it_is() -> None:
    large = network()
    large[0].bias.data[:] = 1e6 + 0.25
    round_weights(large, "int8-channel")
    assert (large[0].bias == 1e6 + 0.25).all()


def test_the_names_of_roundings() -> None:
    assert [integer_bits(weights) for weights in WEIGHTS] == [None, None, 8, 6, 5, 4]
    with pytest.raises(TwinlensError, match="choose one of float16, float32, int8-channel") as caught:
        integer_bits("int3")
    assert caught.value.code == "invalid_arguments"
