"""A file of SQLite for each tenant's own data, in a folder beside the store.

A connection knows one file only. Few files are open at once: the one that has been idle for longest is closed when
another is needed. A file that is gone (`vestibule tenant delete` is a process of its own) is not made anew by using it.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from vestibule.errors import NoTenantDatabase
from vestibule.model import TenantId
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.engine import WORK_TIMEOUT, Database
from vestibule.stores.sqlite_file import prepare_file
from vestibule.stores.tenant_names import room_name
from vestibule.stores.tenant_schemas import Migration
from vestibule.stores.tenants import hold_alone, keep_open

MAX_OPEN = 32  # files


@dataclass(slots=True)
class _Open:
    database: Database
    inode: int
    users: int = 0


class TenantFiles:
    """Implements `stores.TenantRooms`."""

    def __init__(self, url: URL, *, max_open: int = MAX_OPEN) -> None:
        """`url`: the store's."""
        self._url = url
        self._store = Database(url)
        file = Path(url.database or "")
        self._folder = file.with_name(f"{file.name}.tenants")
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._max_open = max_open

    async def make(self, tenant: TenantId, migrate: Migration | None = None) -> None:
        path = self._path(tenant)
        async with self._store.write(limit=None) as held:  # nobody deletes the tenant meanwhile
            await keep_open(held, self._store, tenant)
            await asyncio.to_thread(prepare_file, path)
            async with self._opened(tenant) as database:
                async with database.read() as connection:
                    await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                if migrate is not None:
                    async with database.write(limit=None) as connection:
                        await migrate(connection)

    async def drop(self, tenant: TenantId) -> bool:
        path = self._path(tenant)
        async with self._store.write(limit=None) as held:
            await hold_alone(held, self._store, tenant)
            opened = self._open.pop(path.name, None)
            if opened is not None:
                await opened.database.close()
            return await asyncio.to_thread(_remove, path)

    @asynccontextmanager
    async def use(self, tenant: TenantId, *, limit: float | None = WORK_TIMEOUT) -> AsyncIterator[AsyncConnection]:
        async with self._opened(tenant) as database, database.write(limit=limit) as connection:
            try:
                yield connection
            except Exception:
                raise
            except BaseException:
                await connection.invalidate()
                raise

    async def close(self) -> None:
        opened, self._open = list(self._open.values()), OrderedDict()
        for one in opened:
            await one.database.close()
        await self._store.close()

    @asynccontextmanager
    async def _opened(self, tenant: TenantId) -> AsyncIterator[Database]:
        path = self._path(tenant)
        try:
            inode = path.lstat().st_ino
        except FileNotFoundError:
            stale = self._open.pop(path.name, None)
            if stale is not None:
                await stale.database.close()
            raise NoTenantDatabase("This organisation has no data here.", detail=f"{tenant}: no {path.name}") from None
        opened = self._open.get(path.name)
        if opened is None or opened.inode != inode:
            prepare_file(path)  # not a link, ours, and nobody else's to read
            opened = self._open[path.name] = _Open(Database(self._url.set(database=str(path)), pool_size=2), inode)
        self._open.move_to_end(path.name)
        opened.users += 1
        try:
            yield opened.database
        finally:
            opened.users -= 1
            await self._close_idle()

    async def _close_idle(self) -> None:
        idle = [name for name, one in self._open.items() if not one.users]
        for name in idle[: max(0, len(self._open) - self._max_open)]:
            await self._open.pop(name).database.close()

    def _path(self, tenant: TenantId) -> Path:
        return self._folder / f"{room_name(tenant)}.db"


def _remove(path: Path) -> bool:
    is_there = os.path.lexists(path)
    for part in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(FileNotFoundError):
            part.unlink()
    return is_there
