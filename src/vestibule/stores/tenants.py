"""Tenants that an operator has made, suspended or deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from vestibule.model import Revocation, Tenant, TenantId, TenantState
from vestibule.stores.engine import Database
from vestibule.stores.revocations import announcement
from vestibule.stores.tables import tenants


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
            return (await connection.execute(insert.on_conflict_do_nothing())).rowcount == 1

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
            has_changed = (await connection.execute(change)).rowcount == 1
            if has_changed and revocation is not None:
                await connection.execute(announcement(self._database, revocation))
        return has_changed


def _tenant(row: Row[Any]) -> Tenant:
    return Tenant(row.tenant, TenantState(row.state), row.created_at, row.changed_at, row.title)
