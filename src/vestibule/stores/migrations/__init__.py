"""Alembic's migrations, forwards only, shipped with the program."""

VERSION_TABLE = "vestibule_revision"  # not alembic_version: a database may be shared with another program's
