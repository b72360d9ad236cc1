"""Opening a store: look at its revision, and migrate forwards where that is needed.

Two replicas may start at once, so the looking and the migrating happen again under a lock: PostgreSQL's advisory lock,
or SQLite's one writer. A migration is one transaction; what fails has changed nothing. A store that a newer program has
written, or that is another program's, is refused untouched. Alembic is imported only when there is something to
migrate, and a gateway migrates in a process of its own: it would cost the idle gateway 12 MB.
"""

import asyncio
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from vestibule.errors import StartError, StoreUnavailable
from vestibule.ports import Authenticator
from vestibule.stores.address import describe, is_temporary, read_address
from vestibule.stores.engine import BUSY_TIMEOUT, Database
from vestibule.stores.migrations import VERSION_TABLE
from vestibule.stores.migrations.apart import migrate_apart
from vestibule.stores.sql import SqlStore
from vestibule.stores.sqlite_file import prepare_file

REVISIONS = ("0001", "0002", "0003")
"""Every revision that this program knows, oldest first. A test compares them with Alembic's."""

OLDEST_SQLITE = (3, 35)  # RETURNING

_MIGRATION_LOCK = 0x76657374  # any number, the same in every version of the program


async def open_store(
    address: str, *, migrate: bool = True, apart: bool = False, authenticator: Authenticator | None = None
) -> SqlStore:
    """The store at this address, at this program's revision. Raises `StartError`.

    `address`: as in `vestibule.stores.address`. Without `migrate`, an older store is refused too. `apart`: what has to
    be migrated is migrated in a process of its own, which keeps this one small and takes a second or two longer.
    `authenticator` tags the heads of the audit trail; without one they have no tag, and cannot be continued with one.
    """
    url = read_address(address)
    folder = None
    if is_temporary(url):
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="vestibule-"))
        url = url.set(database=str(folder / "store.db"))
    if url.get_backend_name() == "sqlite":
        _check_sqlite()
        prepare_file(Path(url.database or ""))
    database = Database(url, synchronous="FULL" if folder is None else "OFF")
    try:
        if await _is_behind(database, migrate=migrate):
            await (migrate_apart(url.render_as_string(hide_password=False)) if apart else _bring_up_to_date(database))
    except BaseException as error:
        await _discard(database, folder)
        if isinstance(error, StoreUnavailable):
            raise _cannot_open(describe(url), error) from None
        raise
    return SqlStore(database, folder, authenticator)


def _check_sqlite() -> None:
    import sqlite3

    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StartError(
            f"This Python has SQLite {sqlite3.sqlite_version}; {'.'.join(map(str, OLDEST_SQLITE))} is needed.",
            action="Use a newer Python, or PostgreSQL.",
        )


async def _discard(database: Database, folder: Path | None) -> None:
    with suppress(Exception):  # what went wrong first is what matters
        await database.close()
    if folder is not None:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _cannot_open(where: str, error: StoreUnavailable) -> StartError:
    if "not a database" in error.detail or "malformed" in error.detail or "disk image" in error.detail:
        return StartError(
            f"The store {where} is damaged, or is not an SQLite database.",
            action="Restore it from a backup, or name another file in store.",
            detail=error.detail,
        )
    return StartError(
        f"The store {where} cannot be opened: {error.detail}.",
        action="See that it runs, that this computer can reach it, and that user and password are right.",
        detail=error.detail,
    )


async def _is_behind(database: Database, *, migrate: bool) -> bool:
    """Whether there is something to migrate. Raises `StartError` for a store that we must not touch."""
    async with database.read() as connection:
        revision = await connection.run_sync(_revision)
    _check_known(revision)
    if database.is_sqlite:
        await _use_write_ahead_log(database)
    if revision != REVISIONS[-1] and not migrate:
        raise StartError(
            f"The store is at revision {revision or 'none'}, and this program needs {REVISIONS[-1]}.",
            action="Run: vestibule migrate",
        )
    return revision != REVISIONS[-1]


async def _bring_up_to_date(database: Database) -> None:
    try:
        await _migrate(database)
    except (StoreUnavailable, ValueError) as error:
        reason = error.detail if isinstance(error, StoreUnavailable) else str(error)
        raise StartError(
            f"The store could not be brought to revision {REVISIONS[-1]}: {reason}. Nothing in it has changed.",
            action="See that its user may create tables and that no other program's tables are in the way.",
        ) from None


async def _migrate(database: Database) -> None:
    async with database.write(limit=None) as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        revision = await connection.run_sync(_revision)  # another replica may have been faster
        _check_known(revision)
        if revision != REVISIONS[-1]:
            await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    from vestibule.stores.migrations.run import upgrade

    upgrade(connection)


def _revision(connection: Connection) -> str | None:
    """The revision of a store, or None for an empty database. Raises `StartError` for one that is not ours."""
    found = inspect(connection)
    if found.has_table(VERSION_TABLE):
        revisions = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()  # noqa: S608
        if len(revisions) == 1:
            return str(revisions[0])
    # A PostgreSQL database may be shared with other programs; a file that holds other tables is somebody's data.
    elif connection.dialect.name != "sqlite" or not found.get_table_names():
        return None
    raise StartError("The store's database belongs to another program.", action="Name another file in store.")


def _check_known(revision: str | None) -> None:
    if revision is not None and revision not in REVISIONS:
        raise StartError(
            f"The store was written by a newer version of Vestibule: its revision is {revision}, and this program "
            f"knows {REVISIONS[-1]}.",
            action="Start that version or a newer one. This one has not touched the store.",
        )


async def _use_write_ahead_log(database: Database) -> None:
    """The mode is the file's, and stays. Changing it does not wait for other connections, so we do."""
    deadline = asyncio.get_running_loop().time() + BUSY_TIMEOUT
    while True:
        try:
            async with database.read() as connection:
                mode = (await connection.exec_driver_sql("PRAGMA journal_mode=WAL")).scalar_one()
            break
        except StoreUnavailable as error:
            if "locked" not in error.detail or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.02)
    if mode != "wal":
        raise StartError(
            "The store's file system does not carry SQLite's write-ahead log.",
            action="Put the file on a local disk, or use PostgreSQL.",
        )
