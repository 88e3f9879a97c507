"""When a slower device counts as one."""

import pytest

from loadtest.calibration import holds


@pytest.mark.parametrize(
    ("wanted", "measured", "expected"),
    [
        (0.25, 0.25, True),
        (0.25, 0.287, True),
        (0.25, 0.213, True),
        (0.25, 0.29, False),
        (0.25, 0.21, False),
        (1, 0.8, False),
    ],
)
def test_within_15_percent(wanted: float, measured: float, expected: bool) -> None:
    assert holds(wanted, measured) is expected
