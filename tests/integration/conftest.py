"""One real server of the made model and a made page, shared by the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import models
from tests.servers import RunningServer, running


@pytest.fixture(scope="session")
def made(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a server, as environment variables."""
    page = tmp_path_factory.mktemp("page")
    (page / "index.html").write_text("<!doctype html>made page")
    return {"TWINLENS_MODELS": str(models_folder), "TWINLENS_MODEL": models.NAME, "TWINLENS_PAGE": str(page)}


@pytest.fixture(scope="session")
def server(made: dict[str, str]) -> Iterator[RunningServer]:
    """A server that is ready."""
    with running(made) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client
