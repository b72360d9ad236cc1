"""Whoever changes the trail behind our back is found out, on both databases: what, and where."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from tests.security.vectors import vector
from vestibule.admin.audit_check import Anchor, ChainReport, check_chain
from vestibule.errors import StoreUnavailable
from vestibule.keys import KeyRing, RootKey
from vestibule.model import AuditEvent, AuditFilter
from vestibule.protocol.audit_chain import BEGINNING, HEAD_PURPOSE, head_message, link_hash
from vestibule.stores import SqlStore, open_store
from vestibule.telemetry import AuditTrail
from vestibule.testing.records import an_audit_event

RING = KeyRing([RootKey(b"k" * 32, created_at=1)], os.urandom)
COLUMNS = (
    "tenant at action outcome request_id actor client_id target reason address facts tool sequence hash id".split()
)


@pytest.fixture
async def store(address: str) -> AsyncIterator[SqlStore]:
    """Twelve events of one tenant and five of another, and no trigger that keeps them."""
    opened = await open_store(address, authenticator=RING)
    await opened.audit.record_all([event(n) for n in range(12)] + [event(n, tenant="other") for n in range(5)])
    async with opened._database.write() as connection:
        if opened._database.is_sqlite:
            for what in ("update", "delete"):
                await connection.execute(text(f"DROP TRIGGER audit_events_no_{what}"))
        else:
            await connection.execute(text("DROP TRIGGER audit_events_append_only ON audit_events"))
    yield opened
    await opened.close()


def event(number: int, **changes: Any) -> AuditEvent:
    return an_audit_event(**{"request_id": f"r{number}", "tool": "search", "reason": f"because {number}", **changes})


async def tamper(store: SqlStore, *statements: str, **values: Any) -> None:
    async with store._database.write() as connection:
        for statement in statements:
            await connection.execute(text(statement), values)


async def checked(store: SqlStore, tenant: str = "default", anchor: Anchor | None = None) -> ChainReport:
    return await check_chain(tenant, store.audit, RING, anchor=anchor)


async def found(store: SqlStore, tenant: str = "default") -> list[tuple[int, str]]:
    return [(fault.sequence, fault.damage) for fault in (await checked(store, tenant)).faults]


async def test_an_untouched_chain_is_sound(store: SqlStore) -> None:
    report = await checked(store)
    assert (report.faults, report.sequence, report.before_the_chains) == ((), 12, 0)
    assert (await checked(store, "other")).sequence == 5


@vector("LOG-003")
@pytest.mark.parametrize("column", COLUMNS)
async def test_a_change_of_any_column_is_found_at_its_row(vector: str, store: SqlStore, column: str) -> None:
    other = {"at": "at + 1", "sequence": "500", "id": "900", "hash": f"'{'0' * 64}'", "facts": '\'{"scope": "x"}\''}
    value = other.get(column, "'forged'")
    await tamper(store, f"UPDATE audit_events SET {column} = {value} WHERE tenant = 'default' AND sequence = 4")
    faults = await found(store)
    assert faults, column
    expected = {
        "sequence": {(4, "missing"), (13, "missing")},
        "tenant": {(4, "missing")},
        "id": {(5, "reordered")},
        "hash": {(4, "changed"), (5, "changed")},
    }
    assert set(faults) >= expected.get(column, {(4, "changed")})


@pytest.mark.parametrize("row", range(1, 13))
async def test_every_row_is_protected(store: SqlStore, row: int) -> None:
    await tamper(store, f"UPDATE audit_events SET outcome = 'denied' WHERE tenant = 'default' AND sequence = {row}")
    assert await found(store) == [(row, "changed")]


@pytest.mark.parametrize("value", ["'not json'", "'[]'", "9223372036854775807"])
async def test_what_no_event_can_hold_is_a_change_and_no_crash(store: SqlStore, value: str) -> None:
    column = "at" if value.isdigit() else "facts"
    await tamper(store, f"UPDATE audit_events SET {column} = {value} WHERE tenant = 'default' AND sequence = 4")
    assert (4, "changed") in await found(store)
    assert len(await store.audit.search(AuditFilter(), limit=100)) == 17


@pytest.mark.parametrize(("first", "last"), [(1, 1), (5, 5), (5, 8), (12, 12), (10, 12)])
async def test_rows_that_are_gone_are_missing(store: SqlStore, first: int, last: int) -> None:
    await tamper(store, f"DELETE FROM audit_events WHERE tenant = 'default' AND sequence BETWEEN {first} AND {last}")
    assert await found(store) == [(first, "missing")]


async def test_rows_that_changed_places_are_reordered(store: SqlStore) -> None:
    await tamper(
        store,
        "UPDATE audit_events SET sequence = 99 WHERE tenant = 'default' AND sequence = 6",
        "UPDATE audit_events SET sequence = 6 WHERE tenant = 'default' AND sequence = 7",
        "UPDATE audit_events SET sequence = 7 WHERE tenant = 'default' AND sequence = 99",
    )
    assert (7, "reordered") in await found(store)


async def test_a_row_that_was_put_in_is_found(store: SqlStore) -> None:
    await copy_row(store, "sequence = 6", tenant="default")
    assert await found(store) == [(6, "inserted")]


async def test_a_row_from_before_the_chains_that_came_after_them_is_found(store: SqlStore) -> None:
    await copy_row(store, "sequence = 6", tenant="default", sequence=0)
    assert (0, "inserted") in await found(store)


async def test_a_row_of_another_tenant_is_found(store: SqlStore) -> None:
    await copy_row(store, "sequence = 5", tenant="default", of="other", sequence=13)
    assert (13, "changed") in await found(store)
    assert (13, "rows after head") in await found(store)


async def test_a_chain_that_was_cut_off_and_got_another_head_is_found(store: SqlStore) -> None:
    (link,) = await store.audit.links("default", after=(7, 2**40), limit=1)
    await tamper(
        store,
        "DELETE FROM audit_events WHERE tenant = 'default' AND sequence > 8",
        f"UPDATE audit_heads SET sequence = 8, hash = '{link.hash}' WHERE tenant = 'default'",
    )
    assert await found(store) == [(8, "head forged")]


async def test_a_chain_that_was_computed_anew_is_found_by_its_head(store: SqlStore) -> None:
    """Whoever can write the database can compute every hash; the tag needs a key."""
    await tamper(store, "UPDATE audit_events SET actor = 'eve' WHERE tenant = 'default' AND sequence = 3")
    previous = BEGINNING
    for link in await store.audit.links("default"):
        previous = link_hash(previous, link.event, link.sequence)
        await tamper(store, f"UPDATE audit_events SET hash = '{previous}' WHERE id = {link.row}")
    await tamper(store, f"UPDATE audit_heads SET hash = '{previous}' WHERE tenant = 'default'")
    assert await found(store) == [(12, "head forged")]


async def test_a_head_that_is_gone_is_found(store: SqlStore) -> None:
    await tamper(store, "DELETE FROM audit_heads WHERE tenant = 'default'")
    assert await found(store) == [(12, "head forged")]


async def test_an_old_head_put_back_needs_a_head_that_was_kept_elsewhere(store: SqlStore) -> None:
    before = await store.audit.head("default")
    assert before is not None
    await store.audit.record_all([event(13)])
    after = await store.audit.head("default")
    assert after is not None
    await tamper(
        store,
        "DELETE FROM audit_events WHERE tenant = 'default' AND sequence = 13",
        f"UPDATE audit_heads SET sequence = 12, hash = '{before.hash}', tag = '{before.tag}' WHERE tenant = 'default'",
    )
    assert await found(store) == []  # nobody can see that from the database alone
    assert (await checked(store, anchor=Anchor(12, before.hash))).faults == ()
    (fault,) = (await checked(store, anchor=Anchor(13, after.hash))).faults
    assert fault.damage == "head forged"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_heads SET sequence = 3 WHERE tenant = 'default'",
        "UPDATE audit_heads SET tag = '' WHERE tenant = 'default'",
        "DELETE FROM audit_heads WHERE tenant = 'default'",
    ],
)
async def test_nothing_is_built_on_a_head_that_is_not_ours_until_somebody_accepts_it(
    store: SqlStore, statement: str
) -> None:
    await tamper(store, statement)
    with pytest.raises(StoreUnavailable) as refused:
        await store.audit.record(event(13))
    assert "not ours" in refused.value.detail
    await store.audit.record(event(13, tenant="other"))
    assert list(await store.audit.retag()) == ["default"]
    assert list(await store.audit.retag(accept=True)) == ["default"]
    await store.audit.record(event(13))
    assert await found(store) == []


async def test_heads_outlive_the_key_that_tagged_them(address: str) -> None:
    old, new = RootKey(b"o" * 32, created_at=1), RootKey(b"n" * 32, created_at=2, used_from=5)
    ring = KeyRing([old], os.urandom)
    store = await open_store(address, authenticator=ring)
    await store.audit.record(event(1))
    ring.replace([old, new], now=10)
    assert await store.audit.retag() == []
    ring.replace([new], now=20)
    await store.audit.record(event(2))
    head = await store.audit.head("default")
    assert head is not None
    assert ring.verify(HEAD_PURPOSE, head_message("default", 2, head.hash), head.tag)
    await store.close()


async def test_rows_from_before_the_chains_stay_readable_and_are_counted(store: SqlStore) -> None:
    await tamper(
        store,
        "INSERT INTO audit_events (id, tenant, at, action, outcome, request_id, actor, client_id, target, reason, "
        "address, facts) VALUES (0, 'default', 1, 'old', 'allowed', 'r', '', '', '', '', '', '{}')",
    )
    report = await checked(store)
    assert (report.faults, report.before_the_chains) == ((), 1)
    assert [link.event.action for link in await store.audit.search(AuditFilter(action="old"))] == ["old"]


async def test_a_trail_that_had_much_to_tell_at_once_is_sound(address: str) -> None:
    opened = await open_store(address, authenticator=RING)
    trail = AuditTrail(opened.audit, lambda *_, **__: None)
    for n in range(3000):
        trail.note(an_audit_event(request_id=f"{n:x}", tool="üb\0er"[n % 5 :], tenant="ab"[n % 2]))
        if n % 500 == 0:
            await trail.record(an_audit_event(tenant="a"))
    await trail.close()
    reports = [await checked(opened, tenant) for tenant in "ab"]
    await opened.close()
    assert [(report.faults, report.sequence) for report in reports] == [((), 1506), ((), 1500)]


async def test_many_begin_a_chain_at_once_and_it_is_one(address: str) -> None:
    await (await open_store(address)).close()
    stores = [await open_store(address, authenticator=RING) for _ in range(5)]
    for tenant in map(str, range(12)):
        await asyncio.gather(*(one.audit.record_all([event(n, tenant=tenant) for n in range(2)]) for one in stores))
        report = await checked(stores[0], tenant)
        assert (report.faults, report.sequence) == ((), 10)
    for one in stores:
        await one.close()


WRITER = """
import asyncio, os, sys
from vestibule.keys import KeyRing, RootKey
from vestibule.stores import open_store
from vestibule.testing.records import an_audit_event

async def main():
    store = await open_store(sys.argv[1], authenticator=KeyRing([RootKey(b"k" * 32, created_at=1)], os.urandom))
    for n in range(20):
        events = [an_audit_event(tenant=tenant, request_id=sys.argv[2]) for tenant in ("b", "a", "b")]
        await store.audit.record_all(events if n % 2 else events[::-1])
    await store.close()

asyncio.run(main())
"""


async def test_four_processes_write_one_chain_without_gaps(address: str) -> None:
    await (await open_store(address)).close()
    writers = [await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, address, str(n)) for n in range(4)]
    assert [await writer.wait() for writer in writers] == [0, 0, 0, 0]
    store = await open_store(address, authenticator=RING)
    reports = [await checked(store, tenant) for tenant in await store.audit.tenants()]
    assert [(one.tenant, one.sequence, one.faults) for one in reports] == [("a", 80, ()), ("b", 160, ())]
    await store.close()


async def copy_row(
    store: SqlStore, where: str, *, tenant: str, of: str = "default", sequence: int | None = None
) -> None:
    kept = "at, action, outcome, request_id, actor, client_id, target, reason, address, facts, tool, hash"
    number = "sequence" if sequence is None else str(sequence)
    await tamper(
        store,
        f"INSERT INTO audit_events (tenant, sequence, {kept}) "
        f"SELECT '{tenant}', {number}, {kept} FROM audit_events WHERE tenant = '{of}' AND {where}",
    )
