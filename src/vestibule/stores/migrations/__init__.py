"""Alembic migrations, forwards only, shipped with the program."""
