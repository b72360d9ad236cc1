"""Revisions: the constant and Alembic agree, the schema is what the tables say, and nobody migrates twice or back."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from vestibule.errors import StartError
from vestibule.model import Revocation, RevocationKind
from vestibule.stores import SqlStore, open_store
from vestibule.stores.address import read_address
from vestibule.stores.engine import Database
from vestibule.stores.migrations import VERSION_TABLE, apart
from vestibule.stores.migrations.run import configuration, upgrade
from vestibule.stores.open import REVISIONS
from vestibule.stores.sqlite_file import prepare_file
from vestibule.stores.tables import metadata
from vestibule.testing.records import a_client


async def run(store: SqlStore, statement: str) -> None:
    async with store._database.write() as connection:
        await connection.execute(text(statement))


def test_the_program_knows_alembics_revisions() -> None:
    script = ScriptDirectory.from_config(configuration())
    assert tuple(reversed([found.revision for found in script.walk_revisions()])) == REVISIONS
    assert script.get_heads() == [REVISIONS[-1]]


async def test_the_migrated_schema_is_what_the_tables_say(address: str) -> None:
    store = await open_store(address)

    def differences(connection: Connection) -> list[object]:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with store._database.read() as connection:
        assert await connection.run_sync(differences) == []
    await store.close()


@pytest.mark.parametrize(("apart", "loaded"), [(False, ["['alembic']", "[]"]), (True, ["[]", "[]"])])
def test_alembic_is_loaded_only_where_it_migrates(tmp_path: Path, apart: bool, loaded: list[str]) -> None:
    program = (
        "import asyncio, sys; from vestibule.stores import open_store\n"
        f"async def main(): await (await open_store(sys.argv[1], apart={apart})).close()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('alembic', 'psycopg', 'sqlalchemy.orm') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, f"sqlite:///{tmp_path / 'store.db'}"]
    assert [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in "12"] == loaded


async def test_migrating_apart_makes_the_same_store(address: str) -> None:
    client = a_client()
    store = await open_store(address, apart=True)
    await store.clients.add(client)
    await store.close()
    store = await open_store(address, migrate=False)
    assert await store.clients.get(client.client_id) == client
    await store.close()


async def test_what_fails_apart_is_told_as_it_would_be_here(postgres: str) -> None:
    engine = create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sessions (id int)"))
    engine.dispose()
    told = []
    for elsewhere in (False, True):
        with pytest.raises(StartError) as refused:
            await open_store(postgres, apart=elsewhere)
        told.append((refused.value.message, refused.value.action, refused.value.detail))
    assert told[0] == told[1]
    assert "Nothing in it has changed" in told[0][0]


async def test_a_migrating_process_that_ends_without_a_word_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_COMMAND", (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"))
    with pytest.raises(StartError, match="ended with -9"):
        await apart.migrate_apart("sqlite://")


async def test_giving_up_ends_the_migrating_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = f"import os, pathlib, time; pathlib.Path({str(started)!r}).write_text(str(os.getpid())); time.sleep(60)"
    monkeypatch.setattr(apart, "_COMMAND", (sys.executable, "-c", program))
    task = asyncio.create_task(apart.migrate_apart("sqlite://"))
    while not started.exists() or not started.read_text():
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_the_real_asyncio_package_is_there_for_who_asks() -> None:
    program = (
        "import vestibule.stores, sqlalchemy.ext.asyncio as real; from vestibule.stores import _asyncio\n"
        "assert real.AsyncEngine is _asyncio.AsyncEngine; assert real.AsyncSession"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_what_the_first_schema_held_is_there_in_the_last(address: str) -> None:
    url = read_address(address)
    if url.get_backend_name() == "sqlite":
        prepare_file(Path(url.database or ""))
    database = Database(url)
    async with database.write() as connection:
        await connection.run_sync(upgrade, "0001")
        await connection.execute(text("INSERT INTO revocations VALUES ('user', 'work:ada', 'default', 1, 2000000)"))
        await connection.execute(
            text("INSERT INTO grants VALUES ('g', 'default', 'i', 's', 'p', '', '', 'c', '[]', 'r', 1, NULL)")
        )
    await database.close()
    store = await open_store(address)
    began = datetime(1970, 1, 1, tzinfo=UTC)
    announced = Revocation(
        RevocationKind.USER, "work:ada", began + timedelta(microseconds=1), began + timedelta(seconds=2)
    )
    assert list((await store.revocations.news(0, now=began))[0]) == [announced]
    grant = await store.grants.get("g")
    assert grant is not None
    assert (grant.tokens_id, grant.identity.roles, grant.expires_at) == ("", frozenset(), None)
    await store.close()


async def test_a_newer_store_is_refused_and_not_touched(address: str) -> None:
    store, client = await open_store(address), a_client()
    await store.clients.add(client)
    await run(store, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    await store.close()
    with pytest.raises(StartError, match="newer version") as refused:
        await open_store(address)
    assert "9999" in refused.value.message
    assert "newer" in refused.value.action
    with pytest.raises(StartError, match="newer version"):
        await open_store(address, migrate=False)


async def test_a_refused_sqlite_file_is_the_same_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await open_store(f"sqlite:///{path}")
    await run(store, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    await store.close()
    before = path.read_bytes()
    with pytest.raises(StartError, match="newer version"):
        await open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


async def test_an_empty_store_is_not_migrated_against_the_operators_will(address: str) -> None:
    with pytest.raises(StartError, match="revision none") as refused:
        await open_store(address, migrate=False)
    assert refused.value.action == "Run: vestibule migrate"
    store = await open_store(address)
    await store.close()
    store = await open_store(address, migrate=False)
    await store.ping()
    await store.close()


async def test_replicas_that_start_at_once_migrate_once(address: str) -> None:
    stores = await asyncio.gather(*(open_store(address) for _ in range(6)))
    client = a_client()
    await stores[0].clients.add(client)
    for store in stores:
        assert await store.clients.get(client.client_id) == client
        await store.close()


def test_processes_that_start_at_once_migrate_once(address: str) -> None:
    program = (
        "import asyncio, sys; from vestibule.stores import open_store\n"
        "async def main():\n    store = await open_store(sys.argv[1]); await store.ping(); await store.close()\n"
        "sys.stdin.read(); asyncio.run(main())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, address], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    for process in started:
        assert process.stderr is not None
        errors = process.stderr.read()
        assert (process.wait(), errors) == (0, b"")
        process.stderr.close()


async def test_a_migration_that_fails_changes_nothing(postgres: str) -> None:
    """Another program's table is in the way of the last of ours."""
    engine = create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sessions (id int)"))
    with pytest.raises(StartError, match=r"could not be brought to revision.*Nothing in it has changed"):
        await open_store(postgres)
    with engine.begin() as connection:
        query = text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        tables = connection.execute(query).scalars().all()
    engine.dispose()
    assert tables == ["sessions"]


async def test_a_database_may_be_shared_with_another_programs_alembic(postgres: str) -> None:
    engine = create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
    engine.dispose()
    store = await open_store(postgres)
    await store.ping()
    await store.close()
