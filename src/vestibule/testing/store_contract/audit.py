"""The trail."""

import asyncio
from typing import Any

from vestibule.model import AuditFilter
from vestibule.protocol.audit_chain import BEGINNING, link_hash
from vestibule.testing.records import NOW, an_audit_event
from vestibule.testing.store_contract.support import SECOND, STRANGE, StoreOpener


class AuditContract:
    async def test_the_trail_comes_back_newest_first(self, open_store: StoreOpener) -> None:
        store = await open_store()
        events = [an_audit_event(at=NOW - SECOND * n) for n in range(4)]  # the order of writing counts, not the clock
        for event in events:
            await store.audit.record(event)
        assert list(await store.audit.tail(limit=4)) == events[::-1]
        assert list(await store.audit.tail(limit=2)) == [events[3], events[2]]

    async def test_what_is_written_is_kept_to_the_letter(self, open_store: StoreOpener) -> None:
        store = await open_store()
        event = an_audit_event(reason=STRANGE, tenant="", facts={"a\x00": STRANGE, "b": ""}, outcome="failed")
        await store.audit.record(event)
        assert list(await store.audit.tail(limit=1)) == [event]

    async def test_no_event_is_lost_among_many_writers(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        events = [an_audit_event() for _ in range(60)]
        await asyncio.gather(*(s.audit.record(e) for s, e in zip([one, other] * 30, events, strict=True)))
        written = {event.request_id for event in await one.audit.tail(limit=100)}
        assert {event.request_id for event in events} <= written

    async def test_every_tenant_has_a_chain_whose_links_name_the_one_before(self, open_store: StoreOpener) -> None:
        store = await open_store()
        events = [an_audit_event(tenant=tenant, reason=STRANGE) for tenant in ("b", "a", "b", "b")]
        written = await store.audit.record_all(events)
        assert [(one.event.tenant, one.sequence) for one in written] == [("b", 1), ("a", 1), ("b", 2), ("b", 3)]
        assert list(await store.audit.tenants()) == ["a", "b"]
        links = await store.audit.links("b")
        assert [(one.event, one.sequence, one.hash) for one in links] == [
            (one.event, one.sequence, one.hash) for one in written if one.event.tenant == "b"
        ]
        previous = BEGINNING
        for link in links:
            previous = link_hash(previous, link.event, link.sequence)
            assert link.hash == previous
        head = await store.audit.head("b")
        assert head is not None
        assert (head.sequence, head.hash) == (3, previous)

    async def test_many_events_at_once_are_all_there_in_their_order(self, open_store: StoreOpener) -> None:
        store = await open_store()
        events = [an_audit_event(tenant="ab"[n % 2], request_id=f"{n}", reason=STRANGE) for n in range(137)]
        written = await store.audit.record_all(events)
        assert [one.event for one in written] == events
        assert list(await store.audit.tail(limit=200)) == events[::-1]
        links = [*await store.audit.links("a"), *await store.audit.links("b")]
        assert [(one.sequence, one.hash) for one in links] == [
            (one.sequence, one.hash) for one in sorted(written, key=lambda one: (one.event.tenant, one.sequence))
        ]

    async def test_a_chain_is_read_in_pages(self, open_store: StoreOpener) -> None:
        store = await open_store()
        await store.audit.record_all([an_audit_event() for _ in range(5)])
        first = await store.audit.links("default", limit=2)
        rest = await store.audit.links("default", after=first[-1].place, up_to=4)
        assert [one.sequence for one in (*first, *rest)] == [1, 2, 3, 4]

    async def test_a_time_is_a_part_of_the_chain(self, open_store: StoreOpener) -> None:
        store = await open_store()
        await store.audit.record_all([an_audit_event(at=NOW + SECOND * n) for n in range(5)])
        span = store.audit.span
        assert await span("default", since=NOW + SECOND, until=NOW + SECOND * 4) == (2, 4)
        assert await span("default", since=None, until=None) == (1, 5)
        assert await span("default", since=NOW + SECOND * 9, until=None) == (1, 0)

    async def test_events_are_found_by_what_they_say(self, open_store: StoreOpener) -> None:
        store = await open_store()
        odd: dict[str, Any] = {
            "tenant": "t",
            "actor": "work:eve",
            "client_id": "c2",
            "action": "mcp.call",
            "tool": "delete",
            "outcome": "denied",
            "request_id": "r2",
        }
        await store.audit.record_all([an_audit_event(), an_audit_event(**odd), an_audit_event(reason="ab 100% Sure_")])
        for name, value in odd.items():
            (found,) = await store.audit.search(AuditFilter(**{name: value}))
            assert found.event.request_id == "r2"
        (found,) = await store.audit.search(AuditFilter(text="100% SURE_"))
        assert found.event.reason == "ab 100% Sure_"
        assert await store.audit.search(AuditFilter(text="1_0% sure")) == []
        assert len(await store.audit.search(AuditFilter(since=NOW, until=NOW + SECOND))) == 3
        assert await store.audit.search(AuditFilter(until=NOW)) == []

    async def test_what_was_found_is_told_in_pages_newest_first(self, open_store: StoreOpener) -> None:
        store = await open_store()
        await store.audit.record_all([an_audit_event(request_id=str(n)) for n in range(5)])
        first = await store.audit.search(AuditFilter(), limit=3)
        rest = await store.audit.search(AuditFilter(), before=first[-1].row)
        assert [one.event.request_id for one in (*first, *rest)] == ["4", "3", "2", "1", "0"]
