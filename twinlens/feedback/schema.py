"""The tables of feedback, the same in SQLite and PostgreSQL.

A photo stands once, by the SHA-256 of what is stored of it; what clients say of it are rows of their own, one a client.
A reviewer decides on the photo, so the decision stands with it, and whether a client was right follows from both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A time in UTC, aware on the way in and out; SQLite would lose that it is in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """As it is stored."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """As it is read."""
        del dialect
        return None if value is None else (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

INSTALLATION: Final = Table(
    "installation",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("client_key", LargeBinary, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
)
"""One row: the key that makes pseudonyms of clients' addresses, and the number of the last feedback that came, which no
other one ever has. Who changes anything holds this row, one after the other."""

PHOTOS: Final = Table(
    "photos",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("format", String(8), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("received", Moment, nullable=False),
    Column("decided_at", Moment),
    Column("decided_by", Text),
    Column("decided_label", Text),
    Column("reopened_at", Moment),
)
"""``decided_label`` is null for what was set aside, ``decided_at`` for what nobody has decided on; ``reopened_at`` is
when a decision was taken back, until there is another one. ``bytes`` is 0 once the file of a decided photo is gone."""

FEEDBACK: Final = Table(
    "feedback",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("photo", String(64), ForeignKey(PHOTOS.c.sha256), nullable=False),
    Column("client", String(32), nullable=False),
    Column("label", Text),
    Column("predicted", Text, nullable=False),
    Column("score", Double, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_digest", String(64), nullable=False),
    Column("asked_digest", String(64)),
    Column("received", Moment, nullable=False),
    UniqueConstraint("photo", "client"),
    UniqueConstraint("sequence"),
    Index(None, "client", "received"),
)
"""``label`` is null where the client says that it is none of the model's; ``asked_digest`` is of the model whose answer
the client saw, where it says so, and ``predicted`` what the server's own model said of the photo."""
