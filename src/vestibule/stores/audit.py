"""The trail: appended, never changed."""

from collections.abc import Sequence
from typing import cast

import msgspec
from sqlalchemy import insert, select

from vestibule.model import AuditEvent, Outcome
from vestibule.stores import tables
from vestibule.stores.database import Database
from vestibule.stores.values import from_micros, to_micros

_events = tables.audit_events


class SqlAuditLog:
    """Implements `ports.AuditLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, event: AuditEvent) -> None:
        row = {
            "tenant": event.tenant,
            "at": to_micros(event.at),
            "action": event.action,
            "outcome": event.outcome,
            "request_id": event.request_id,
            "actor": event.actor,
            "client_id": event.client_id,
            "target": event.target,
            "reason": event.reason,
            "address": event.address,
            "facts": msgspec.json.encode(dict(event.facts)).decode(),
        }
        async with self._database.write() as connection:
            await connection.execute(insert(_events).values(row))

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        query = select(_events).order_by(_events.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            AuditEvent(
                at=from_micros(row.at),
                action=row.action,
                outcome=cast("Outcome", row.outcome),
                request_id=row.request_id,
                actor=row.actor,
                client_id=row.client_id,
                tenant=row.tenant,
                target=row.target,
                reason=row.reason,
                address=row.address,
                facts=msgspec.json.decode(row.facts, type=dict[str, str]),
            )
            for row in rows
        ]
