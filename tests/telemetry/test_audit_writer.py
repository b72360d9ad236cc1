"""Many write at once and wait once; what is told is durable; what was decided about calls is not lost either."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vestibule.errors import StoreUnavailable
from vestibule.model import AuditEvent, AuditLink
from vestibule.stores import SqlStore, open_store
from vestibule.telemetry import AuditTrail, audit_sinks
from vestibule.telemetry.audit import MAX_WAITING, CallsKept
from vestibule.testing.records import an_audit_event


class Slow:
    """A store whose every transaction takes a moment; it counts them, and may be away."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store.audit
        self.batches: list[int] = []
        self.is_away = False

    async def record(self, event: AuditEvent) -> None:
        await self.record_all([event])

    async def record_all(self, events: Sequence[AuditEvent]) -> Sequence[AuditLink]:
        self.batches.append(len(events))
        await asyncio.sleep(0.01)
        if self.is_away:
            raise StoreUnavailable("The store cannot be reached right now.")
        if any(event.action == "bad" for event in events):
            raise ValueError("the store cannot take this record")
        return await self._store.record_all(events)

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        return await self._store.tail(limit=limit)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Slow]:
    opened = await open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield Slow(opened)
    await opened.close()


def trail_over(store: Slow, calls: CallsKept = "all") -> AuditTrail:
    return AuditTrail(store, lambda *_, **__: None, calls=calls)


async def kept(store: Slow) -> list[str]:
    return [event.request_id for event in reversed(await store.tail(limit=20_000))]


async def test_who_writes_at_once_waits_once_and_the_order_stays(store: Slow) -> None:
    trail = trail_over(store)
    await asyncio.gather(*(trail.record(an_audit_event(request_id=str(n))) for n in range(100)))
    assert await kept(store) == [str(n) for n in range(100)]
    assert len(store.batches) <= 2


async def test_an_event_alone_is_written_at_once(store: Slow) -> None:
    trail = trail_over(store)
    began = asyncio.get_running_loop().time()
    await trail.record(an_audit_event())
    assert asyncio.get_running_loop().time() - began < 0.2
    assert store.batches == [1]


async def test_whoever_stops_waiting_has_recorded_all_the_same(store: Slow) -> None:
    trail = trail_over(store)
    waiting = [asyncio.create_task(trail.record(an_audit_event(request_id=str(n)))) for n in range(3)]
    await asyncio.sleep(0.002)
    waiting[1].cancel()
    for one in waiting:
        with suppress(asyncio.CancelledError):
            await one
    await trail.close()
    assert await kept(store) == ["0", "1", "2"]


async def test_everyone_who_waits_hears_that_the_store_is_away(store: Slow) -> None:
    trail = trail_over(store)
    store.is_away = True
    results = await asyncio.gather(*(trail.record(an_audit_event()) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 5
    store.is_away = False
    await trail.record(an_audit_event(request_id="later"))
    assert await kept(store) == ["later"]  # what was refused did not happen


async def test_one_bad_event_costs_nobody_else_theirs(store: Slow) -> None:
    trail = trail_over(store)
    events = [an_audit_event(request_id=str(n), action="bad" if n == 2 else "good") for n in range(4)]
    results = await asyncio.gather(*(trail.record(event) for event in events), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), ValueError, type(None)]
    assert await kept(store) == ["0", "1", "3"]


async def test_calls_are_written_within_a_second(store: Slow) -> None:
    trail = trail_over(store)
    for n in range(50):
        trail.note(an_audit_event(request_id=str(n), action="mcp.call"))
    await asyncio.sleep(0.6)
    assert await kept(store) == [str(n) for n in range(50)]
    assert store.batches == [50]


async def test_calls_that_come_while_others_are_written_wait_for_company(store: Slow) -> None:
    """Else a busy gateway would write one small transaction after the other."""
    trail = trail_over(store)
    for n in range(100):
        trail.note(an_audit_event(request_id=str(n), action="mcp.call"))
        await asyncio.sleep(0.005)
    await trail.close()
    assert await kept(store) == [str(n) for n in range(100)]
    assert len(store.batches) <= 5


async def test_calls_are_written_before_the_trail_is_closed(store: Slow) -> None:
    trail = trail_over(store)
    trail.note(an_audit_event(request_id="last"))
    await trail.close()
    assert await kept(store) == ["last"]
    with pytest.raises(StoreUnavailable):
        await trail.record(an_audit_event())


async def test_calls_wait_for_a_store_that_is_away_and_no_more_than_can_be_kept(store: Slow) -> None:
    trail = trail_over(store)
    store.is_away = True
    for n in range(MAX_WAITING):
        trail.note(an_audit_event(request_id=str(n)))
    with pytest.raises(StoreUnavailable):
        trail.note(an_audit_event())
    await asyncio.sleep(0.05)
    store.is_away = False
    await trail.record(an_audit_event(request_id="sign-in"))
    await trail.close()
    assert await kept(store) == [*map(str, range(MAX_WAITING)), "sign-in"]


@pytest.mark.parametrize(("calls", "expected"), [("all", ["a", "d", "f"]), ("denied", ["d", "f"]), ("none", [])])
async def test_the_configuration_says_which_calls_are_told(store: Slow, calls: Any, expected: list[str]) -> None:
    trail = trail_over(store, calls)
    for request_id, outcome in (("a", "allowed"), ("d", "denied"), ("f", "failed")):
        trail.note(an_audit_event(request_id=request_id, outcome=outcome))
    await trail.close()
    assert await kept(store) == expected


class Hanging:
    """A sink on a disk that does not answer."""

    def __init__(self) -> None:
        self.told = 0
        self.answers = asyncio.Event()

    async def write(self, links: Sequence[AuditLink]) -> None:
        await self.answers.wait()
        self.told += len(links)

    async def close(self) -> None:
        pass


async def test_nothing_waits_for_a_file_that_hangs_and_what_it_missed_is_told(
    store: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_sinks, "MAX_QUEUED", 3)
    lines: list[tuple[str, Any]] = []
    sink = Hanging()
    trail = AuditTrail(store, lambda name, **facts: lines.append((name, facts.get("events"))), sinks=[sink])
    for _ in range(6):  # one is with the sink, three wait, two have no room
        await asyncio.wait_for(trail.record(an_audit_event()), 1)
    sink.answers.set()
    await trail.close()
    assert sink.told == 4
    assert [line for line in lines if line[0] != "audit"] == [("audit_sink_is_behind", None), ("audit_sink_lost", 2)]
