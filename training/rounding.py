"""What the weights of a network are rounded to: float16, or integers with one scale for each output channel.

Integers are symmetric, ``weight = integer * scale``, and a scale has the eight significant bits of bfloat16. Their
product then needs no more bits than float32 has: PyTorch, ONNX Runtime and the page cannot compute it differently, and
both exports find integers and scales again from the numbers alone (:mod:`training.integers`).
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import nn

from training.integers import CHUNK, FULL_BITS, integer_limit
from twinlens.errors import TwinlensError

WEIGHTS: Final = ("float16", "float32", "int8-channel", "int6-channel", "int5-channel", "int4-channel")
_FLOAT16_MAX: Final = 65504.0
# The smallest tensors (depthwise, first convolution) suffer most from few bits and weigh least: a tenth of the weights
# keeps 8 bits, see docs/decisions/006-integer-weights.md.
_KEPT_SHARE: Final = 0.1
_CLIPS: Final = tuple(step / 40 for step in range(40, 11, -1))
# Far below any weight that matters and far above where float32 loses bits.
_SMALLEST_SCALE: Final = 2.0**-100


def integer_bits(weights: str) -> int | None:
    """The bits of one of :data:`WEIGHTS`; ``None`` for floating point.

    :raises TwinlensError: ``invalid_arguments`` if it is none of them.
    """
    if weights not in WEIGHTS:
        raise TwinlensError("invalid_arguments", f"--weights {weights}: choose one of {', '.join(WEIGHTS)}.")
    return int(weights[3]) if weights.startswith("int") else None


def round_weights(network: nn.Module, weights: str) -> None:
    """Round a network's parameters in place.

    :param network: float32, its batch norm folded.
    :param weights: one of :data:`WEIGHTS`. ``float32`` rounds nothing; ``float16`` every tensor of two or more
        dimensions; with integers the weights of convolutions and linear layers become integers, of 8 bits in the
        smallest tensors, which hold a tenth of them, and all other parameters, biases too, float16.
    :raises TwinlensError: ``invalid_arguments`` for unknown ``weights``; ``unsupported_operation``, naming the
        parameter, for one that cannot be held.
    """
    bits = integer_bits(weights)
    if weights == "float32":
        return
    as_integers = bits_by_name(network, bits) if bits else {}
    for name, parameter in network.named_parameters():
        largest = float(parameter.detach().abs().max())
        if name in as_integers:
            if not math.isfinite(largest):
                raise TwinlensError("unsupported_operation", f"Weight {name} reaches {largest:g}. Train it again.")
            parameter.data = quantise(parameter.data, as_integers[name])
        elif largest <= _FLOAT16_MAX and (bits or parameter.dim() >= 2):
            parameter.data = parameter.data.half().float()
        elif parameter.dim() >= 2:
            raise TwinlensError(
                "unsupported_operation",
                f"Weight {name} reaches {largest:.3g}, which float16 cannot hold. Export with --weights float32.",
            )


def quantise(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """The nearest tensor whose numbers are integers of so many bits, times one scale for each output channel.

    :param weight: float32, finite, of shape (channels, ...).
    :param bits: 2 to 8.
    :return: float32 of the same shape. No number is a negative zero.
    """
    limit = integer_limit(bits)
    return torch.cat([_on_grid(rows, _best_scales(rows, limit), limit) for rows in _chunks(weight)]).view_as(weight)


def best_scales(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """The scales that :func:`quantise` takes.

    Of a few scales, from one that clips nothing to one that clips beyond 0.3 of the channel's largest weight, each
    channel takes the one with the least squared error: "MSE based" range setting of Nagel et al., "A White Paper on
    Neural Network Quantization", arXiv 2106.08295, section 3.1.

    :param weight: float32, finite, of shape (channels, ...).
    :param bits: 2 to 8.
    :return: float32 of shape (channels, 1, ...); 0 for a channel that becomes zero.
    """
    scales = torch.cat([_best_scales(rows, integer_limit(bits)) for rows in _chunks(weight)])
    return scales.view(-1, *[1] * (weight.dim() - 1))


def straight_through(weight: torch.Tensor, scales: torch.Tensor, bits: int) -> torch.Tensor:
    """A weight as integers times given scales, to learn through: what is not clipped gets the gradient as it comes.

    "Straight-through estimator", Bengio et al., arXiv 1308.3432; Nagel et al., arXiv 2106.08295, section 4.1.

    :param weight: float32 of shape (channels, ...).
    :param scales: as :func:`best_scales` gives them.
    :return: float32 of the same shape, with the numbers of :func:`quantise` where the scales are the best ones.
    """
    limit = integer_limit(bits)
    rounded = _on_grid(weight.detach(), scales, limit)
    inside = weight.detach().abs() <= scales * (limit + 0.5)
    # Adding weight and difference up again would lose the last bits, and with them the integers.
    passed: torch.Tensor = _PassedOn.apply(weight, rounded, inside)
    return passed


class _PassedOn(torch.autograd.Function):
    """Other numbers forward, the gradient back where it is let through."""

    @staticmethod
    def forward(ctx: Any, _weight: torch.Tensor, rounded: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(inside)
        return rounded

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        inside: torch.Tensor = ctx.saved_tensors[0]
        passed: torch.Tensor = gradients[0] * inside
        return passed, None, None


def _chunks(weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
    rows = weight.detach().flatten(1)
    return torch.split(rows, max(1, CHUNK // rows.shape[1]))


def _best_scales(rows: torch.Tensor, limit: int) -> torch.Tensor:
    largest = rows.abs().amax(1, keepdim=True)
    best, least = torch.zeros_like(largest), rows.square().sum(1, keepdim=True)
    for clip in _CLIPS:
        scale = (largest * (clip / limit)).bfloat16().float()
        # Without a usable scale the error is no number, which is never the least: the channel becomes zero.
        scale[scale < _SMALLEST_SCALE] = math.nan
        error = (_on_grid(rows, scale, limit) - rows).square().sum(1, keepdim=True)
        better = error < least
        best, least = torch.where(better, scale, best), torch.where(better, error, least)
    return best


def _on_grid(rows: torch.Tensor, scales: torch.Tensor, limit: int) -> torch.Tensor:
    """Integers times scales; what has no scale, 0, becomes zero. Adding 0 turns a negative zero into a positive one."""
    divisors = torch.where(scales == 0, math.inf, scales)
    return (rows / divisors).round().clamp(-limit, limit) * scales + 0.0


def bits_by_name(network: nn.Module, bits: int) -> dict[str, int]:
    """The bits of each weight that becomes integers, by the name of its parameter.

    :param network: its batch norm folded.
    :param bits: 2 to 8, of all but the smallest weights.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    # One number for each channel would be all scale.
    wanted = {id(layer.weight) for layer in layers if layer.weight[0].numel() > 1}
    sizes = {name: value.numel() for name, value in network.named_parameters() if id(value) in wanted}
    kept, total = 0, sum(sizes.values())
    chosen = {}
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        kept += sizes[name]
        chosen[name] = FULL_BITS if kept <= _KEPT_SHARE * total else bits
    return chosen
