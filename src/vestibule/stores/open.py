"""Opening a store: connect, compare its revision with ours, migrate forwards when that is needed.

Alembic is imported only when there is something to migrate: it would cost the idle gateway 13 MB. A store that a newer
program has written is refused before anything is touched.
"""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from vestibule.errors import StartError
from vestibule.stores.database import Database
from vestibule.stores.sql import SqlStore

REVISIONS = ("0001",)
"""Every revision this program knows, oldest first. A test compares the last with Alembic's head."""

_LOCK = 0x76657374  # PostgreSQL's advisory lock while migrating


async def open_store(address: str) -> SqlStore:
    """The store at this address, migrated. Raises `StartError` or `StoreUnavailable`."""
    database = Database.at(address)
    try:
        async with database.read() as connection:
            revision = await _revision(connection)
        _check_known(revision)
        if revision != REVISIONS[-1]:
            await _migrate(database)
    except BaseException:
        await database.close()
        raise
    return SqlStore(database)


async def _migrate(database: Database) -> None:
    async with database.write() as connection:  # SQLite: one writer; nobody else migrates meanwhile
        if not database.is_sqlite:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        revision = await _revision(connection)  # another replica may have been faster
        _check_known(revision)
        if revision != REVISIONS[-1]:
            await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    from vestibule.stores.migrations.run import upgrade

    upgrade(connection)


async def _revision(connection: AsyncConnection) -> str | None:
    if not await connection.run_sync(_has_version_table):
        return None
    return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()


def _has_version_table(connection: Connection) -> bool:
    try:
        return connection.dialect.has_table(connection, "alembic_version")
    except DBAPIError as error:
        if "not a database" in str(error.orig) or "malformed" in str(error.orig):
            raise StartError(
                "The store's file is not a SQLite database, or is damaged.",
                action="Restore it from a backup, or name another file in store.",
            ) from error
        raise


def _check_known(revision: str | None) -> None:
    if revision is not None and revision not in REVISIONS:
        raise StartError(
            f"The store was written by a newer version of Vestibule (revision {revision}).",
            action="Start that version or a newer one. This one has not touched the store.",
        )
