"""Tenants that an operator has made, suspended or deleted, and what it takes to begin something in one's name.

A tenant that the configuration names has no row until somebody changes it, so there may be nothing to lock: whoever
adds something in a tenant's name holds PostgreSQL's advisory lock of that name, shared, and whoever changes the tenant
holds it alone. So what is added comes wholly before a change, which then ends it, or wholly after it, and is refused.
(SQLite has one writer anyway.) The lock is the first one that a transaction takes, so nobody waits in a circle.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, select, update

from vestibule.errors import TenantClosed
from vestibule.model import Revocation, Tenant, TenantId, TenantState
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.engine import Database
from vestibule.stores.revocations import announcement
from vestibule.stores.tables import api_keys, blocks, consents, kept_tokens, sessions, tenants


class SqlTenantStore:
    """Implements `ports.TenantStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tenant: Tenant) -> bool:
        insert = self._database.insert(tenants).values(
            tenant=tenant.tenant,
            title=tenant.title,
            state=tenant.state,
            created_at=tenant.created_at,
            changed_at=tenant.changed_at,
        )
        async with self._database.write() as connection:
            await hold_alone(connection, self._database, tenant.tenant)
            added = insert.on_conflict_do_nothing().returning(tenants.c.tenant)
            return (await connection.execute(added)).one_or_none() is not None

    async def get(self, tenant: TenantId) -> Tenant | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(tenants).where(tenants.c.tenant == tenant))).one_or_none()
        return None if row is None else _tenant(row)

    async def list_all(self) -> Sequence[Tenant]:
        async with self._database.read() as connection:
            return [_tenant(row) for row in await connection.execute(select(tenants).order_by(tenants.c.tenant))]

    async def change(
        self, tenant: TenantId, state: TenantState, *, now: datetime, revocation: Revocation | None = None
    ) -> bool:
        change = (
            update(tenants)
            .where(tenants.c.tenant == tenant, tenants.c.state.not_in([state, TenantState.DELETED]))
            .values(state=state, changed_at=now)
        )
        async with self._database.write() as connection:
            await hold_alone(connection, self._database, tenant)
            has_changed = (await connection.execute(change)).rowcount == 1
            if has_changed and revocation is not None:
                await connection.execute(announcement(self._database, revocation))
        return has_changed

    async def erase(self, tenant: TenantId) -> Sequence[str]:
        is_deleted = tenants.c.state == TenantState.DELETED
        nameless = update(tenants).where(tenants.c.tenant == tenant, is_deleted).values(title="")
        kept = select(kept_tokens.c.tokens_id).where(kept_tokens.c.tenant == tenant).order_by(kept_tokens.c.tokens_id)
        async with self._database.write() as connection:
            if (await connection.execute(nameless)).rowcount != 1:
                raise ValueError("only what a deleted tenant had is erased")
            for table in (sessions, consents, blocks, api_keys):
                await connection.execute(delete(table).where(table.c.tenant == tenant))
            return list((await connection.execute(kept)).scalars())


async def keep_open(connection: AsyncConnection, database: Database, tenant: TenantId) -> None:
    """Raise `TenantClosed` for a suspended or deleted one; else it stays as it is until the transaction ends."""
    if not database.is_sqlite:
        await connection.execute(select(func.pg_advisory_xact_lock_shared(_lock_of(tenant))))
    # A statement of its own: it sees what was committed before the lock was given.
    state = (await connection.execute(select(tenants.c.state).where(tenants.c.tenant == tenant))).scalar()
    if state not in (None, TenantState.ACTIVE):
        raise TenantClosed(
            "Your organisation has no access here right now.", action="Ask the operator.", detail=f"{tenant}: {state}"
        )


async def hold_alone(connection: AsyncConnection, database: Database, tenant: TenantId) -> None:
    """Nobody adds anything in its name until the transaction ends; who is just adding is waited for."""
    if not database.is_sqlite:
        await connection.execute(select(func.pg_advisory_xact_lock(_lock_of(tenant))))


def _lock_of(tenant: TenantId) -> int:
    return int.from_bytes(hashlib.sha256(b"tenant\n" + tenant.encode("utf-8", "replace")).digest()[:8], signed=True)


def _tenant(row: Row[Any]) -> Tenant:
    return Tenant(row.tenant, TenantState(row.state), row.created_at, row.changed_at, row.title)
