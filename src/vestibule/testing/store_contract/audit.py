"""The trail."""

import asyncio

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
