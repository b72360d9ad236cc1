"""The engine, and how a piece of work reaches it: `read` for one statement, `write` for a transaction.

SQLite runs in WAL mode with full synchronisation (an acknowledged write survives a power cut) and begins writing
transactions IMMEDIATE, so that two writers wait for each other instead of failing halfway. Errors of the driver become
`StoreUnavailable`; their text goes to the log only, and without the statement's parameters.
"""

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from vestibule.errors import StartError, StoreUnavailable

_BUSY_TIMEOUT = 5  # seconds a SQLite writer waits for another
_POOL_TIMEOUT = 5  # seconds to wait for a pooled connection
_WRITES = "vestibule_writes"


class Database:
    """One database, SQLite or PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    def at(cls, address: str) -> "Database":
        """Raises `StartError` for an address that cannot be used. Nothing is connected yet."""
        url = _read_address(address)
        if url.get_backend_name() == "sqlite":
            return cls(_sqlite(url))
        return cls(_postgresql(url))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from error

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: all of it is durable when the block ends, or nothing."""
        try:
            async with self._engine.execution_options(**{_WRITES: True}).begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from error

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    async def close(self) -> None:
        await self._engine.dispose()


def _read_address(address: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise StartError(
            "The store's address cannot be read.", action="Write sqlite:///file.db or postgresql://user@host/database."
        ) from error
    match url.get_backend_name():
        case "sqlite":
            return url.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise StartError(f"There is no store of the kind {other!r}.", action="Use sqlite:///… or postgresql://….")


def _sqlite(url: URL) -> AsyncEngine:
    if not url.database or url.database == ":memory:":
        raise StartError("The store's address names no file.", action="Write sqlite:///vestibule.db.")
    _prepare_file(Path(url.database))
    engine = create_async_engine(url, connect_args={"timeout": _BUSY_TIMEOUT}, pool_timeout=_POOL_TIMEOUT)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `begin` below does
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _prepare_file(path: Path) -> None:
    """Make the file with mode 0600, or refuse one that others may read: SQLite's own files take its mode over."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise StartError(
            f"The store {path} cannot be opened: {error.strerror}.",
            action="Give a file in a folder that this user may write to (not a symbolic link).",
        ) from error
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode) or (os.name == "posix" and status.st_mode & 0o077):
        raise StartError(
            f"The store {path} may be read or written by other users of this computer.",
            action=f"Run: chmod 600 {path}",
        )


def _postgresql(url: URL) -> AsyncEngine:
    try:
        return create_async_engine(
            url,
            pool_timeout=_POOL_TIMEOUT,
            pool_size=10,
            max_overflow=10,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5, "options": "-c statement_timeout=10000 -c lock_timeout=5000"},
        )
    except ModuleNotFoundError as error:
        raise StartError(
            "The store is PostgreSQL, and its driver is not installed.",
            action="Run: pip install 'vestibule[postgres]'",
        ) from error


def _unavailable(error: Exception) -> StoreUnavailable:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return StoreUnavailable(
        "The store cannot be reached right now.",
        action="Try again in a moment.",
        detail=f"{type(cause).__name__}: {cause}"[:500],
    )
