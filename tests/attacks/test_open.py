"""Attacks that still succeed. Each has its reason; whoever closes one takes the mark away."""

import asyncio
from pathlib import Path

import pytest

from vestibule.stores import open_store
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.tenant_databases import open_tenant_databases
from vestibule.testing.records import an_audit_event


@pytest.mark.xfail(strict=True, reason="stores/tenant_files.py, make: the store's only writer is held all the while")
async def test_a_long_migration_of_one_tenant_stops_no_sign_in(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'store.db'}"
    store, rooms = await open_store(address), open_tenant_databases(address)

    async def migrate(connection: AsyncConnection) -> None:
        await asyncio.sleep(6)

    making = asyncio.create_task(rooms.make("acme", migrate))
    await asyncio.sleep(0.5)
    try:
        await store.audit.record(an_audit_event())
    finally:
        await making
        await rooms.close()
        await store.close()
