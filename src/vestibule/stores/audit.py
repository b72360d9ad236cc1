"""The trail: appended, never changed. The database itself refuses anything else (a trigger)."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, insert, select

from vestibule.model import AuditEvent
from vestibule.stores.engine import Database
from vestibule.stores.tables import audit_events


class SqlAuditLog:
    """Implements `ports.AuditLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, event: AuditEvent) -> None:
        await self.record_all([event])

    async def record_all(self, events: Sequence[AuditEvent]) -> None:
        async with self._database.write() as connection:
            await connection.execute(insert(audit_events), [_row(event) for event in events])

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        query = select(audit_events).order_by(audit_events.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            return [_event(row) for row in await connection.execute(query)]


def _row(event: AuditEvent) -> dict[str, Any]:
    return {field.name: getattr(event, field.name) for field in fields(event)}


def _event(row: Row[Any]) -> AuditEvent:
    return AuditEvent(
        at=row.at,
        action=row.action,
        outcome=row.outcome,
        request_id=row.request_id,
        actor=row.actor,
        client_id=row.client_id,
        tenant=row.tenant,
        target=row.target,
        reason=row.reason,
        address=row.address,
        facts=row.facts,
        tool=row.tool,
    )
