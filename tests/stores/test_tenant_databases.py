"""Each tenant's own data is in a schema or a file that nobody else's transaction sees."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from vestibule.errors import NoTenantDatabase, StartError, TenantClosed
from vestibule.model import Tenant, TenantState
from vestibule.stores import SqlStore, open_store
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.tenant_databases import TenantRooms, open_tenant_databases
from vestibule.stores.tenant_names import LONGEST, room_name
from vestibule.testing.clock import FrozenClock

ODD = ["acme", "../../etc/passwd", 'a"; DROP SCHEMA public CASCADE; --', "a\x00b", "ü" * 80, "", "a-b", "a_b", "A-B"]


async def with_notes(connection: AsyncConnection) -> None:
    await connection.execute(text("CREATE TABLE IF NOT EXISTS notes (body TEXT)"))


async def write(rooms: TenantRooms, tenant: str, body: str) -> None:
    async with rooms.use(tenant) as connection:
        await connection.execute(text("INSERT INTO notes VALUES (:body)"), {"body": body})


async def notes(rooms: TenantRooms, tenant: str) -> list[str]:
    async with rooms.use(tenant) as connection:
        return list((await connection.execute(text("SELECT body FROM notes ORDER BY body"))).scalars())


@pytest.fixture
async def store(address: str) -> AsyncIterator[SqlStore]:
    store = await open_store(address)
    yield store
    await store.close()


@pytest.fixture
async def rooms(address: str, store: SqlStore) -> AsyncIterator[TenantRooms]:
    rooms = open_tenant_databases(address, pool_size=2)
    yield rooms
    with suppress(Exception):
        for tenant in ("acme", "globex", *ODD):
            await rooms.drop(tenant)
    await rooms.close()


def test_every_name_gives_a_room_of_its_own_that_needs_no_quotes() -> None:
    names = [room_name(tenant) for tenant in ODD] + [room_name("acme", "another store")]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"t_[a-z0-9_]+", name) or len(name) > LONGEST] == []


async def test_what_one_tenant_writes_no_other_reads(rooms: TenantRooms) -> None:
    for tenant in ODD:
        await rooms.make(tenant, with_notes)
        await write(rooms, tenant, tenant.replace("\x00", ""))
    assert [await notes(rooms, tenant) for tenant in ODD] == [[tenant.replace("\x00", "")] for tenant in ODD]


async def test_making_it_again_keeps_what_is_there(rooms: TenantRooms) -> None:
    await rooms.make("acme", with_notes)
    await write(rooms, "acme", "kept")
    await asyncio.gather(*(rooms.make("acme", with_notes) for _ in range(4)))
    assert await notes(rooms, "acme") == ["kept"]


async def test_a_room_that_was_never_made_is_not_made_by_looking(rooms: TenantRooms) -> None:
    with pytest.raises(NoTenantDatabase):
        await notes(rooms, "globex")
    assert await rooms.drop("globex") is False


async def test_a_dropped_room_is_gone_and_its_neighbour_is_not(rooms: TenantRooms) -> None:
    for tenant in ("acme", "globex"):
        await rooms.make(tenant, with_notes)
        await write(rooms, tenant, tenant)
    assert await rooms.drop("acme") is True
    assert await notes(rooms, "globex") == ["globex"]
    with pytest.raises(NoTenantDatabase):
        await notes(rooms, "acme")


async def test_a_room_dropped_by_another_process_is_gone_here_too(rooms: TenantRooms, address: str) -> None:
    await rooms.make("acme", with_notes)
    await write(rooms, "acme", "one")
    other = open_tenant_databases(address)
    assert await other.drop("acme") is True
    await other.close()
    with pytest.raises(NoTenantDatabase):
        await notes(rooms, "acme")


async def test_what_fails_in_the_middle_leaves_nothing(rooms: TenantRooms) -> None:
    await rooms.make("acme", with_notes)
    with suppress(RuntimeError):
        async with rooms.use("acme") as connection:
            await connection.execute(text("INSERT INTO notes VALUES ('half')"))
            raise RuntimeError
    assert await notes(rooms, "acme") == []


@pytest.mark.parametrize("state", [TenantState.SUSPENDED, TenantState.DELETED])
async def test_nothing_is_made_for_a_closed_tenant(rooms: TenantRooms, store: SqlStore, state: TenantState) -> None:
    now = FrozenClock()()
    await store.tenants.add(Tenant("acme", state, now, now))
    with pytest.raises(TenantClosed):
        await rooms.make("acme", with_notes)
    with pytest.raises(NoTenantDatabase):
        await notes(rooms, "acme")


async def test_a_tenants_file_is_its_owners_alone(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'store.db'}"
    store, rooms = await open_store(address), open_tenant_databases(address)
    await rooms.make("../acme", with_notes)
    files = [path for path in tmp_path.rglob("*") if "acme" in path.name]
    assert {path.parent for path in files} == {tmp_path / "store.db.tenants"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    await rooms.close()
    await store.close()


async def test_a_link_in_the_place_of_a_tenants_file_is_not_followed(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'store.db'}"
    store, rooms = await open_store(address), open_tenant_databases(address)
    await rooms.make("acme", with_notes)
    await rooms.close()
    rooms = open_tenant_databases(address)
    (tmp_path / "store.db.tenants" / f"{room_name('globex')}.db").symlink_to(
        tmp_path / "store.db.tenants" / f"{room_name('acme')}.db"
    )
    with pytest.raises(StartError):
        await notes(rooms, "globex")
    await rooms.close()
    await store.close()


async def test_few_files_are_open_however_many_tenants_there_are(tmp_path: Path) -> None:
    from sqlalchemy import make_url

    from vestibule.stores.tenant_files import TenantFiles

    address = f"sqlite:///{tmp_path / 'store.db'}"
    store = await open_store(address)
    rooms = TenantFiles(make_url(address).set(drivername="sqlite+aiosqlite"), max_open=3)
    for number in range(8):
        await rooms.make(f"tenant-{number}", with_notes)
        await write(rooms, f"tenant-{number}", str(number))
    assert len(rooms._open) <= 3
    assert [await notes(rooms, f"tenant-{number}") for number in range(8)] == [[str(number)] for number in range(8)]
    await rooms.close()
    await store.close()


async def test_a_temporary_table_goes_with_the_tenant_who_made_it(postgres: str) -> None:
    """It is of the connection, and whatever the search path says, it is found first."""
    await (await open_store(postgres)).close()
    rooms = open_tenant_databases(postgres, pool_size=1)
    for tenant in ("acme", "globex"):
        await rooms.make(tenant, with_notes)
    async with rooms.use("acme") as connection:
        await connection.execute(text("CREATE TEMPORARY TABLE notes AS SELECT 'of acme' AS body"))
    found = await notes(rooms, "globex")
    for tenant in ("acme", "globex"):
        await rooms.drop(tenant)
    await rooms.close()
    assert found == []
