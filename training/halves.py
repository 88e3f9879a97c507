"""Float16 where it holds a tensor's numbers exactly: both exports store weights so, by either route."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def exact_float16(values: NDArray[Any]) -> NDArray[np.float16] | None:
    """A float32 tensor as float16, or ``None`` where that does not hold its very numbers."""
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which is another number
        half = values.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), values) else None
