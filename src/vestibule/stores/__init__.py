"""Durable truth: SQLAlchemy Core over SQLite (embedded default) or PostgreSQL, one code path. See docs/storage.md."""

from vestibule.stores.open import open_store
from vestibule.stores.sql import SqlStore

__all__ = ["SqlStore", "open_store"]
