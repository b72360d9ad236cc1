"""The trail: appended, never changed. The database itself refuses anything else (a trigger)."""

from collections.abc import Sequence
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
        row = {
            "tenant": event.tenant,
            "at": event.at,
            "action": event.action,
            "outcome": event.outcome,
            "request_id": event.request_id,
            "actor": event.actor,
            "client_id": event.client_id,
            "target": event.target,
            "reason": event.reason,
            "address": event.address,
            "facts": event.facts,
        }
        async with self._database.write() as connection:
            await connection.execute(insert(audit_events).values(row))

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        query = select(audit_events).order_by(audit_events.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            return [_event(row) for row in await connection.execute(query)]


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
    )
