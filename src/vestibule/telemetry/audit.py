"""The audit trail: written to the store before the answer goes out, and told to the log as well."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from vestibule.model import AuditEvent
from vestibule.ports import AuditLog
from vestibule.telemetry.redact import clean


class AuditTrail:
    """Implements `ports.AuditLog` over another one. If that cannot write, the operation does not happen."""

    def __init__(self, store: AuditLog, log: Callable[..., None]) -> None:
        self._store = store
        self._log = log

    async def record(self, event: AuditEvent) -> None:
        event = replace(
            event,
            reason=clean(event.reason),
            target=clean(event.target),
            facts={clean(key): clean(value) for key, value in event.facts.items()},
        )
        await self._store.record(event)
        self._log(
            "audit",
            action=event.action,
            outcome=event.outcome,
            request_id=event.request_id,
            actor=event.actor,
            client_id=event.client_id,
            tenant=event.tenant,
            target=event.target,
            reason=event.reason,
            address=event.address,
        )

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        return await self._store.tail(limit=limit)
