import numpy as np
import pytest

from training.halves import exact_float16


def test_what_float16_holds_is_given_as_float16() -> None:
    values = np.array([[0.5, -65504.0], [2.0**-24, 0.0]], np.float32)
    found = exact_float16(values)
    assert found is not None
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found.astype(np.float32), values)


@pytest.mark.parametrize("value", [0.1, 70_000.0, 2.0**-25, np.nan])
def test_other_numbers_are_not(value: float) -> None:
    assert exact_float16(np.array([1.0, value], np.float32)) is None
