"""Alembic's entry: it gets the connection from `run`, and the transaction with it."""

from alembic import context

from vestibule.stores.migrations import VERSION_TABLE
from vestibule.stores.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
