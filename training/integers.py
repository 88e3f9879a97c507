"""Tensors whose numbers are small integers with one scale for each output channel, found from the numbers alone.

That is how both exports store what :mod:`training.rounding` rounded, however they have named, cut or transposed a
tensor since. NumPy suffices, as the writer of TensorFlow.js files needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

FULL_BITS: Final = 8
CHUNK: Final = 1 << 22
"""Numbers that are looked at together, so that a large tensor takes no memory in proportion."""


class Integers(NamedTuple):
    """A tensor as int8 integers of its shape, and float32 scales that NumPy broadcasts to it: one for each channel."""

    values: NDArray[np.int8]
    scales: NDArray[np.float32]

    @property
    def axes(self) -> list[int]:
        """The axes along which the scale differs."""
        return [axis for axis, size in enumerate(self.scales.shape) if size > 1]

    @property
    def bits(self) -> int:
        """The fewest bits, at least 2, that symmetric integers of this size need."""
        return max(2, int(np.abs(self.values.astype(np.int16)).max(initial=0)).bit_length() + 1)

    @property
    def nbytes(self) -> int:
        """Bytes of both, stored plainly."""
        return self.values.nbytes + self.scales.nbytes


def integer_limit(bits: int) -> int:
    """The largest magnitude among symmetric integers of so many bits."""
    return int(2 ** (bits - 1) - 1)


def integers(values: NDArray[np.float32], axes: tuple[int, ...]) -> Integers | None:
    """Find 8-bit integers and scales whose products are the very numbers of a tensor.

    :param values: float32 of two or more dimensions.
    :param axes: neighbouring axes along which the scale may differ: those of the output channels.
    :return: ``None`` if there are none, or if a channel is a single number, which its scale would be. The scale of a
        channel of zeros is 0.
    """
    inner = tuple(axis for axis in range(values.ndim) if axis not in axes)
    order = (*axes, *inner)
    turned = values.transpose(order)
    rows = turned.reshape(math.prod(turned.shape[: len(axes)]), -1)
    if rows.shape[1] < 2:
        return None
    found = []
    for chunk in _chunks(rows):
        part = _factorised(chunk)
        if part is None:
            return None
        found.append(part)
    factors = np.concatenate([part.values for part in found]).reshape(turned.shape)
    scales = np.concatenate([part.scales for part in found])
    spread = [size if axis in axes else 1 for axis, size in enumerate(values.shape)]
    result = Integers(np.ascontiguousarray(factors.transpose(np.argsort(order))), scales.reshape(spread))
    # A comparison of bits: a negative zero, which no integer is, equals zero as a number.
    same = np.array_equal((result.values * result.scales).view(np.uint32), np.ascontiguousarray(values).view(np.uint32))
    return result if same else None


def _chunks(rows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    step = max(1, CHUNK // rows.shape[1])
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _factorised(rows: NDArray[np.float32]) -> Integers | None:
    """Each row by its greatest common divisor: int8 (rows, columns) and float32 (rows,)."""
    if not np.isfinite(rows).all():
        return None
    fractions, exponents = np.frexp(rows.astype(np.float64))
    mantissas = np.ldexp(fractions, 24).astype(np.int64)
    # The place of the lowest bit that is set, counted from that of 1.
    places = np.frexp((mantissas & -mantissas).astype(np.float64))[1] - 1 + exponents - 24
    lowest = np.where(mantissas == 0, np.iinfo(places.dtype).max, places).min(axis=1)
    lowest = np.where(rows.any(axis=1), lowest, 0)
    whole = np.ldexp(rows.astype(np.float64), -lowest[:, None])
    if not (np.abs(whole) < 2.0**40).all():
        return None
    numbers = whole.astype(np.int64)
    divisors = np.gcd.reduce(numbers, axis=1)
    factors = numbers // np.maximum(divisors, 1)[:, None]
    if np.abs(factors).max(initial=0) > integer_limit(FULL_BITS):
        return None
    return Integers(factors.astype(np.int8), np.ldexp(divisors.astype(np.float64), lowest).astype(np.float32))
