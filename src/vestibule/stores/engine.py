"""One database behind one pool, and the two ways to it: `read` for a look, `write` for a transaction.

The same on SQLite and PostgreSQL: the drivers commit by themselves, so that a look is one round trip; a write begins
its transaction explicitly. SQLite begins it IMMEDIATE, so that two writers wait for one another instead of failing
halfway, and writers of this process queue before they take a connection: SQLite's own waiting is a sleep that starves
the unlucky. Everything ends in time: connecting, waiting for the pool, and the work itself, even when the server
accepts a statement and never answers.

The driver's errors become `StoreUnavailable`; their text is for the log, without parameters and without the password.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import Any, cast

from sqlalchemy import URL, BigInteger, ColumnElement, Connection, Table, event, literal_column
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from vestibule.errors import StartError, StoreUnavailable
from vestibule.stores._asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_TIMEOUT = 4.0  # seconds that a SQLite writer waits for one of another process
CONNECT_TIMEOUT = 3  # seconds
POOL_TIMEOUT = 3.0  # seconds to wait for a connection of the pool
WORK_TIMEOUT = 5.0  # seconds for one read or write, all waiting included
CANCEL_TIMEOUT = 1.0  # seconds more for asking the server to stop
POOL_SIZE = 10
SQLITE_POOL_SIZE = 4  # a thread each

_WRITES = "vestibule_writes"


class Database:
    """One database, SQLite or PostgreSQL. Nothing is connected before the first read or write."""

    def __init__(self, url: URL, *, synchronous: str = "FULL", pool_size: int | None = None) -> None:
        """`synchronous`: SQLite's; FULL survives a power cut, OFF is for what nobody keeps."""
        self.is_sqlite = url.get_backend_name() == "sqlite"
        engine = (
            _sqlite(url, synchronous, pool_size or SQLITE_POOL_SIZE)
            if self.is_sqlite
            else _postgresql(url, pool_size or POOL_SIZE)
        )
        event.listen(engine.sync_engine, "begin", _sqlite_begin if self.is_sqlite else _postgresql_begin)
        self._engine = engine
        self._writes = engine.execution_options(**{_WRITES: True})
        self._turn = asyncio.Lock() if self.is_sqlite else None
        self._password = str(url.password) if url.password else ""
        self._insert = _insert_of(self.is_sqlite)
        self._closed = False

    @asynccontextmanager
    async def read(self, *, limit: float = WORK_TIMEOUT) -> AsyncIterator[AsyncConnection]:
        """A connection for a look; each statement sees what is committed when it begins. `limit`: seconds."""
        with self._translating():
            async with _in_time(limit), self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *, limit: float | None = WORK_TIMEOUT) -> AsyncIterator[AsyncConnection]:
        """One transaction: when the block ends, all of it is durable; when it raises, nothing of it is there."""
        turn: AbstractAsyncContextManager[None] = self._turn or nullcontext()
        with self._translating():
            async with _in_time(limit), turn, self._writes.begin() as connection:
                yield connection

    def insert(self, table: Table) -> sqlite.Insert:
        """An INSERT with ON CONFLICT. (PostgreSQL's has the same methods under another class.)"""
        return self._insert(table)

    @property
    def clock(self) -> ColumnElement[int]:
        """The database's own time, in microseconds since the epoch: the same for every replica."""
        if self.is_sqlite:
            return literal_column("CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)", BigInteger)
        return literal_column("CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)", BigInteger)

    async def close(self) -> None:
        """Close every connection. What is asked afterwards is refused. Closing twice does nothing."""
        self._closed = True
        await self._engine.dispose()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        if self._closed:
            raise _unavailable("the store has been closed")
        try:
            yield
        except (IntegrityError, DataError) as error:
            # Not the database's fault: the same digest twice, a code without a grant. Trying again would not help.
            raise ValueError(f"the store cannot take this record: {self._text(error)}") from None
        except (DBAPIError, PoolTimeout, TimeoutError, OSError) as error:
            raise _unavailable(self._text(error)) from None

    def _text(self, error: Exception) -> str:
        """What the driver says, without the values that PostgreSQL puts into DETAIL."""
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        primary = getattr(getattr(cause, "diag", None), "message_primary", None)
        text = f"{type(cause).__name__}: {primary or str(cause) or 'it took too long'}"[:500]
        return text.replace(self._password, "…") if self._password else text


def _unavailable(detail: str) -> StoreUnavailable:
    return StoreUnavailable("The store cannot be reached right now.", action="Try again in a moment.", detail=detail)


@asynccontextmanager
async def _in_time(limit: float | None) -> AsyncIterator[None]:
    # Two limits: the first cancels, and psycopg then asks the server to stop; a server that hangs does not hear that
    # either, and the second makes psycopg give the connection up.
    last = None if limit is None else limit + CANCEL_TIMEOUT
    async with asyncio.timeout(last), asyncio.timeout(limit):
        yield


def _insert_of(is_sqlite: bool) -> Callable[[Table], sqlite.Insert]:
    if is_sqlite:
        return sqlite.insert
    from sqlalchemy.dialects import postgresql  # 7 MB that a SQLite gateway does not need

    return cast("Callable[[Table], sqlite.Insert]", postgresql.insert)


def _sqlite(url: URL, synchronous: str, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        connect_args={"timeout": BUSY_TIMEOUT, "isolation_level": None},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        for pragma in (f"synchronous={synchronous}", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _postgresql(url: URL, pool_size: int) -> AsyncEngine:
    try:
        return create_async_engine(
            url,
            hide_parameters=True,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT,
            pool_pre_ping=True,  # a restarted server costs nobody an error
            connect_args={"connect_timeout": CONNECT_TIMEOUT, "autocommit": True},
        )
    except ImportError as error:
        raise StartError(
            "The store is PostgreSQL, and its driver is not installed.",
            action="Run: pip install 'vestibule[postgres]'",
            detail=str(error),
        ) from error


def _sqlite_begin(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql_begin(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql("BEGIN")
