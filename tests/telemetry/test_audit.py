"""The trail is in the store before `record` returns, and in the log as well."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.security.vectors import vector
from vestibule.errors import StoreUnavailable
from vestibule.model import AuditEvent, AuditLink
from vestibule.telemetry import AuditTrail

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Store:
    """An audit log that keeps what it gets, or is gone."""

    def __init__(self, *, is_there: bool = True) -> None:
        self.events: list[AuditEvent] = []
        self._is_there = is_there

    async def record(self, event: AuditEvent) -> None:
        if not self._is_there:
            raise StoreUnavailable("The store cannot be reached.")
        self.events.append(event)

    async def record_all(self, events: Sequence[AuditEvent]) -> Sequence[AuditLink]:
        for event in events:
            await self.record(event)
        return [AuditLink(event, n, "00") for n, event in enumerate(events, start=1)]

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        return self.events[-limit:][::-1]


class Log:
    def __init__(self, store: Store) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.written_before: list[int] = []
        self._store = store

    def __call__(self, name: str, **facts: Any) -> None:
        self.lines.append((name, facts))
        self.written_before.append(len(self._store.events))


def event(**changes: Any) -> AuditEvent:
    return AuditEvent(
        **{
            "at": NOW,
            "action": "grant.revoke",
            "outcome": "allowed",
            "request_id": "r1",
            "actor": "work:ada",
            "client_id": "vci_1",
            "tenant": "default",
            "target": "g1",
            "reason": "asked for",
            "address": "192.0.2.1",
            "facts": {"scope": "mcp"},
            **changes,
        }
    )


@vector("LOG-003")
async def test_an_event_is_stored_and_then_told_with_all_it_says(vector: str) -> None:
    store = Store()
    log = Log(store)
    trail = AuditTrail(store, log)
    await trail.record(event())
    assert await trail.tail() == [event()]
    assert log.written_before == [1]
    ((name, facts),) = log.lines
    assert name == "audit"
    assert {"actor", "tenant", "client_id", "action", "target", "outcome", "reason", "request_id"} <= set(facts)


async def test_what_cannot_be_written_does_not_happen() -> None:
    store = Store(is_there=False)
    log = Log(store)
    with pytest.raises(StoreUnavailable):
        await AuditTrail(store, log).record(event())
    ((name, facts),) = log.lines
    assert (name, facts["level"], facts["action"]) == ("audit_not_written", "error", "grant.revoke")


@vector("LOG-002")
async def test_what_strangers_write_reaches_neither_trail_nor_log_as_it_is(vector: str) -> None:
    store = Store()
    log = Log(store)
    evil = 'x\r\n{"action": "forged"}\x1b[2J'
    await AuditTrail(store, log).record(
        event(actor=evil, client_id=evil, target=evil, reason=evil, address=evil, facts={"name": evil})
    )
    (kept,) = store.events
    for text in (kept.actor, kept.client_id, kept.target, kept.reason, kept.address, kept.facts["name"]):
        assert text.isprintable()


@vector("LOG-001")
async def test_a_secret_that_slipped_into_an_event_is_masked(vector: str) -> None:
    store = Store()
    await AuditTrail(store, Log(store)).record(
        event(
            target="https://app/cb?code=canary",
            reason="vrt_canary123456",
            facts={"token": "canary", "x": "state=canary"},
        )
    )
    assert "canary" not in repr(store.events)


async def test_a_clients_long_url_is_kept_whole() -> None:
    store = Store()
    url = f"https://client.example/{'a' * 1900}"
    await AuditTrail(store, Log(store)).record(event(client_id=url))
    assert store.events[0].client_id == url
