"""Connections to the database of feedback: SQLite that several may use at once, or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

from twinlens.errors import TwinlensError

_SQLITE: Final = "sqlite:///"
_PATIENCE_SECONDS: Final = 10
_CONNECT_SECONDS: Final = 5
# A host that vanished is noticed where a statement's own limit, which that host keeps, would not be.
_NETWORK: Final = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
_WRITES: Final = "twinlens_writes"


def connected(url: str) -> Engine:
    """What gives out connections; none is made yet.

    :param url: as ``TWINLENS_FEEDBACK`` has it.
    :raises TwinlensError: ``missing_requirement`` where the driver is not installed, ``invalid_setting`` for an address
        that is none.
    """
    if url.startswith(_SQLITE):
        return _sqlite(Path(url.removeprefix(_SQLITE)))
    try:
        engine = create_engine(
            make_url(url),
            hide_parameters=True,
            pool_pre_ping=True,
            pool_timeout=_PATIENCE_SECONDS,
            connect_args={"connect_timeout": _CONNECT_SECONDS, **_NETWORK},
        )
    except ImportError:
        raise TwinlensError(
            "missing_requirement",
            "TWINLENS_FEEDBACK needs psycopg, which is not installed: pip install 'twinlens[postgresql]'",
        ) from None
    except Exception:  # whatever it is, the message would show the address, and with it the password
        raise TwinlensError(
            "invalid_setting", "TWINLENS_FEEDBACK cannot be read as an address: postgresql+psycopg://USER@HOST/DATABASE"
        ) from None

    @event.listens_for(engine, "begin")
    def be_patient(connection: Connection) -> None:
        # For one transaction each, since a pooler in between may give the connection to somebody else afterwards.
        for limit in ("statement_timeout", "lock_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = {_PATIENCE_SECONDS * 1000}")

    return engine


def writing(engine: Engine) -> Engine:
    """The same connections, for transactions that write: in SQLite these wait for each other from their beginning."""
    return engine.execution_options(**{_WRITES: True})


def _sqlite(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        hide_parameters=True,
        connect_args={"timeout": _PATIENCE_SECONDS},
        pool_timeout=_PATIENCE_SECONDS,
    )

    @event.listens_for(engine, "do_connect")
    def make_folder(*_: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where `begin` below says, not where Python guesses
        connection.execute("PRAGMA foreign_keys = ON")
        _log_ahead(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that read first and then wants to write would fail at once if another one wrote meanwhile.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Let others read while one writes; SQLite does not wait by itself where another process does this first."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
