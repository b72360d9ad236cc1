"""A schema of PostgreSQL for each tenant's own data, in the store's database.

One transaction is one tenant's: its first statement sets the search path, for this transaction only (`SET LOCAL`), to
the tenant's schema and nothing else. What ends the transaction ends the path with it, also behind PgBouncer, so the
next caller of the connection finds nobody's tables before its own; temporary ones, which every path finds, go before it
is let in. Whoever is cancelled in the middle leaves a connection whose state nobody vouches for: it is closed, not
given back.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from sqlalchemy import URL, text

from vestibule.errors import NoTenantDatabase
from vestibule.model import TenantId
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.engine import POOL_SIZE, WORK_TIMEOUT, Database
from vestibule.stores.tenant_names import room_name
from vestibule.stores.tenants import hold_alone, keep_open

Migration: TypeAlias = Callable[[AsyncConnection], Awaitable[None]]

_ENTER = text("SELECT set_config('search_path', quote_ident(nspname), true) FROM pg_namespace WHERE nspname = :name")
_NO_TEMPORARY_TABLES = text("DISCARD TEMP")  # they live as long as the connection
_HOME = text("SELECT coalesce(current_schema(), '')")


class TenantSchemas:
    """Implements `stores.TenantRooms`. Has connections of its own: a slow tool never keeps a sign-in waiting."""

    def __init__(self, url: URL, *, pool_size: int = POOL_SIZE) -> None:
        self._database = Database(url, pool_size=pool_size)
        self._home: str | None = None

    async def make(self, tenant: TenantId, migrate: Migration | None = None) -> None:
        name = await self._name(tenant)
        async with self._database.write(limit=None) as connection:
            await keep_open(connection, self._database, tenant)
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
            await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{name}"'))
            await connection.execute(_ENTER, {"name": name})
            if migrate is not None:
                await migrate(connection)

    async def drop(self, tenant: TenantId) -> bool:
        name = await self._name(tenant)
        there = text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")
        async with self._database.write(limit=None) as connection:
            await hold_alone(connection, self._database, tenant)
            is_there = bool((await connection.execute(there, {"name": name})).scalar_one())
            await connection.execute(text(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'))
        return is_there

    @asynccontextmanager
    async def use(self, tenant: TenantId, *, limit: float | None = WORK_TIMEOUT) -> AsyncIterator[AsyncConnection]:
        name = await self._name(tenant)
        async with self._database.write(limit=limit) as connection:
            try:
                if (await connection.execute(_ENTER, {"name": name})).scalar() is None:
                    raise NoTenantDatabase("This organisation has no data here.", detail=f"{tenant}: no schema {name}")
                await connection.execute(_NO_TEMPORARY_TABLES)
                yield connection
            except Exception:
                raise  # rolled back, and the search path with it
            except BaseException:
                await connection.invalidate()
                raise

    async def close(self) -> None:
        await self._database.close()

    async def _name(self, tenant: TenantId) -> str:
        if self._home is None:
            async with self._database.read() as connection:
                self._home = str((await connection.execute(_HOME)).scalar_one())
        return room_name(tenant, self._home)
