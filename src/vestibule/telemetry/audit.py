"""The audit trail: written to the store before the answer goes out, and told to the log as well."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from vestibule.model import AuditEvent
from vestibule.ports import AuditLog
from vestibule.telemetry.redact import clean, clean_text

MAX_TEXT = 2048  # characters of a field: a client's id may be a URL


class AuditTrail:
    """Implements `ports.AuditLog` over another one. If that cannot write, the operation does not happen."""

    def __init__(self, store: AuditLog, log: Callable[..., None]) -> None:
        self._store = store
        self._log = log

    async def record(self, event: AuditEvent) -> None:
        """Durable when it returns. Raises `StoreUnavailable`; the log tells of the event in either case."""
        event = cleaned(event)
        try:
            await self._store.record(event)
        except BaseException as error:
            self._tell("audit_not_written", event, level="error", exc_info=error)
            raise
        self._tell("audit", event)

    async def record_all(self, events: Sequence[AuditEvent]) -> None:
        for event in events:
            await self.record(event)

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        return await self._store.tail(limit=limit)

    def _tell(self, name: str, event: AuditEvent, **more: object) -> None:
        facts = {
            "action": event.action,
            "outcome": event.outcome,
            "request_id": event.request_id,
            "actor": event.actor,
            "client_id": event.client_id,
            "tenant": event.tenant,
            "target": event.target,
            "reason": event.reason,
            "tool": event.tool,
            "address": event.address,
            "facts": dict(event.facts),
        }
        self._log(name, **{key: value for key, value in facts.items() if value}, **more)


def cleaned(event: AuditEvent) -> AuditEvent:
    """What strangers wrote in it can neither break a line nor carry a secret."""
    return replace(
        event,
        actor=clean_text(event.actor, limit=MAX_TEXT),
        client_id=clean_text(event.client_id, limit=MAX_TEXT),
        target=clean_text(event.target, limit=MAX_TEXT),
        reason=clean_text(event.reason, limit=MAX_TEXT),
        address=clean_text(event.address, limit=100),
        facts=clean(event.facts),
        tool=clean_text(event.tool, limit=MAX_TEXT),
    )
