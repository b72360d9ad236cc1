"""Alembic's entry: it gets the connection from `run`, and the transaction with it."""

from alembic import context

from vestibule.stores.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
