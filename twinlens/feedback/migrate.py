"""Bring the tables of feedback to the version that this code reads, whoever else starts at the same moment."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, func, select

from twinlens.errors import TwinlensError

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_POSTGRESQL_LOCK: Final = 0x7477696E6C656E73
"""Any number that is ours: who holds it migrates, and others wait until it is let go with the transaction."""
_one_at_a_time: Final = threading.Lock()
"""Alembic keeps what it works on in variables of its modules."""


def migrate(connection: Connection) -> None:
    """Run the versions that are missing, all of them or none.

    :param connection: in a transaction that writes, which SQLite allows one process at a time.
    :raises TwinlensError: ``feedback_unavailable`` if the tables are of a newer Twinlens.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_POSTGRESQL_LOCK)))
    logging.getLogger("alembic").setLevel(logging.WARNING)  # or each start tells what dialect it found
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with _one_at_a_time:
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise TwinlensError(
                "feedback_unavailable",
                "The database of feedback has tables of a newer Twinlens. Update this one, or name another database.",
            ) from None
