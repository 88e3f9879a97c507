"""What tests of feedback share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.feedback_site import TOKEN, Site, serve
from twinlens.settings import Settings


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Callable[..., None]:
    """Runs a test on a server with feedback; further arguments are settings of it."""

    def run(test: Callable[[Site], Awaitable[None]], **changes: Any) -> None:
        given = {"feedback": f"sqlite:///{tmp_path}/x.db", "feedback_token": TOKEN, "feedback_per_minute": 10_000}
        asyncio.run(asyncio.wait_for(serve(replace(settings, **(given | changes)), test), 60))

    return run
