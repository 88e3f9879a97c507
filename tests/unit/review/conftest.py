"""A process that ends in the middle of a decision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.review.made import Kill
from twinlens.review import log
from twinlens.review.log import Decision


class Killed(BaseException):
    """What ends it."""


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Kill:
    """Have a decision written down, and nothing else come of it."""
    append = log.append

    def end(folder: Path, decision: Decision) -> None:
        append(folder, decision)
        raise Killed

    def killed(decide: Callable[[], object]) -> None:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(log, "append", end)
            decide()

    return killed
