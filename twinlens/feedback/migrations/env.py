"""What Alembic runs: the versions that are missing, in the transaction that :mod:`twinlens.feedback.migrate` holds."""

from alembic import context

from twinlens.feedback.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
