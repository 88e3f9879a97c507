"""What tests of training share: one thread for the networks that they train."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from training import recipe, tuning


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from a second thread, and lose much where other tests run beside them."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (recipe, tuning):
            patch.setattr(module, "available_threads", lambda: 1)
        yield
