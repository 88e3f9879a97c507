import numpy as np
import pytest
import torch

from training.integers import integers
from training.rounding import quantise


@pytest.mark.parametrize("axes", [(3,), (2, 3), (0,)])
def test_channels_may_lie_along_any_axes(axes: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    shape = (3, 3, 4, 5)
    values = generator.integers(-127, 128, shape).astype(np.int8)
    scales = np.ones([size if axis in axes else 1 for axis, size in enumerate(shape)], np.float32)
    scales *= np.ldexp(generator.integers(128, 256, scales.shape), -12).astype(np.float32)
    found = integers(np.asarray(values * scales, np.float32) + np.float32(0), axes)
    assert found is not None
    assert found.axes == list(axes)
    np.testing.assert_array_equal(found.values * found.scales, values * scales)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(7).normal(size=(10, 64)).astype(np.float32),
        np.array([[1, 255], [1, 2]], np.float32),  # too many steps of the common divisor
        np.array([[1, 1e-30], [1, 2]], np.float32),
        np.array([[-np.inf, 1], [1, 2]], np.float32),
        np.array([[-0.0, 1], [1, 2]], np.float32),  # no integer is a negative zero
        np.array([[3.5], [4.5]], np.float32),  # a number for each channel, which needs no integer
    ],
)
def test_other_numbers_are_not_taken_for_integers(values: np.ndarray) -> None:
    assert integers(values, (0,)) is None


def test_parts_and_transposes_of_what_was_rounded_are_integers_too() -> None:
    rounded = quantise(torch.randn(24, 16, 3, 3, generator=torch.Generator().manual_seed(7)), 6).numpy()
    for part, axes in ((rounded[:12], (0,)), (rounded[:, 3:5], (0,)), (rounded.transpose(2, 3, 1, 0), (3,))):
        found = integers(np.ascontiguousarray(part), axes)
        assert found is not None and found.bits <= 6
        np.testing.assert_array_equal(found.values * found.scales, part)
