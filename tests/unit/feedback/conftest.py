"""Both kinds of database, each test with one of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.postgres import cluster
from twinlens.feedback.store import Store


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL, without a database."""
    with cluster() as address:
        yield address


_numbers = itertools.count()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.heavy)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new folder/100% feedback.db"
        return
    address: str = request.getfixturevalue("postgresql")
    name = f"feedback_{next(_numbers)}"
    engine = create_engine(f"{address}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    yield f"{address}/{name}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store, empty."""
    store = Store(url)
    yield store
    store.close()
