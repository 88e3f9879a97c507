"""The first tables. There is no way back: it would throw away what people have said."""

from __future__ import annotations

import secrets
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "1"
down_revision: Final = None


def upgrade() -> None:
    """Make the tables, and the key of pseudonyms."""
    moment = sa.DateTime(timezone=True)
    installation = op.create_table(
        "installation",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("client_key", sa.LargeBinary, nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(installation, [{"id": 1, "client_key": secrets.token_bytes(32), "last_sequence": 0}])
    op.create_table(
        "photos",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("received", moment, nullable=False),
        sa.Column("decided_at", moment),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_label", sa.Text),
        sa.Column("reopened_at", moment),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("photo", sa.String(64), sa.ForeignKey("photos.sha256"), nullable=False),
        sa.Column("client", sa.String(32), nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("predicted", sa.Text, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("model_digest", sa.String(64), nullable=False),
        sa.Column("asked_digest", sa.String(64)),
        sa.Column("received", moment, nullable=False),
        sa.UniqueConstraint("photo", "client"),
        sa.UniqueConstraint("sequence"),
    )
    op.create_index(None, "feedback", ["client", "received"])
