"""What is particular to the SQL store: errors, addresses, times, the trail's trigger, what rows hold."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

from vestibule.errors import StartError, StoreUnavailable
from vestibule.stores import engine, open_store, tables
from vestibule.stores.address import describe, read_address
from vestibule.stores.columns import Moment, escape, unescape
from vestibule.stores.grants import live_grant_of
from vestibule.stores.identities import identity_row
from vestibule.stores.kept_tokens import kept_for_a_grant
from vestibule.testing.records import (
    NOW,
    a_client,
    a_code,
    a_consent,
    a_grant,
    a_refresh_token,
    a_request,
    a_session,
    an_audit_event,
    an_identity,
    some_kept_tokens,
)

PASSWORD = "hunter2-correct-horse"


async def pids(address: str) -> list[int]:
    """The server processes behind other connections to this database."""
    import psycopg

    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with await psycopg.AsyncConnection.connect(address) as connection:
        return [row[0] for row in await (await connection.execute(query)).fetchall()]


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["", "store.db", "mysql://db/x", "redis://db", "sqlite:", "postgresql"])
async def test_an_address_that_names_no_store_is_refused(address: str) -> None:
    with pytest.raises(StartError) as refused:
        await open_store(address)
    assert "sqlite:///" in refused.value.action


@pytest.mark.parametrize("kind", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg"])
def test_every_spelling_of_postgresql_gets_our_driver(kind: str) -> None:
    assert read_address(f"{kind}://user:{PASSWORD}@db/x").drivername == "postgresql+psycopg"


def test_an_address_is_shown_without_password_and_parameters() -> None:
    url = read_address(f"postgresql://user:{PASSWORD}@db.example:5433/x?password={PASSWORD}&sslpassword={PASSWORD}")
    assert describe(url) == "postgresql://db.example:5433/x"


async def test_a_store_that_is_not_there_is_told_of_without_the_password() -> None:
    with pytest.raises(StartError) as refused:
        await open_store(f"postgresql://user:{PASSWORD}@127.0.0.1:1/x")
    shown = f"{refused.value.message} {refused.value.action} {refused.value.detail} {refused.value!r}"
    assert "postgresql://127.0.0.1:1/x cannot be opened" in shown
    assert "refused" in shown
    assert PASSWORD not in shown


def test_a_missing_driver_is_told_with_what_installs_it() -> None:
    program = (
        "import asyncio, sys; sys.modules['psycopg'] = None\n"
        "from vestibule.errors import StartError; from vestibule.stores import open_store\n"
        "try: asyncio.run(open_store('postgresql://db/x'))\n"
        "except StartError as error: print(error.message, error.action)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'vestibule[postgres]'" in done.stdout


# --- errors ---------------------------------------------------------------------------------------------------------


async def test_an_error_tells_no_values(address: str) -> None:
    store = await open_store(address)
    client = a_client(client_id=f"client-{PASSWORD}", name=PASSWORD)
    await store.clients.add(client)
    with pytest.raises(ValueError, match="cannot take this record") as refused:
        await store.clients.add(client)
    assert PASSWORD not in str(refused.value)
    assert refused.value.__suppress_context__  # nor does a traceback in the log
    await store.close()


async def test_a_statement_that_fails_is_unavailability_with_a_reason_for_the_log(address: str) -> None:
    store = await open_store(address)
    async with store._database.write() as connection:
        await connection.execute(text("DROP TABLE consents"))
    with pytest.raises(StoreUnavailable) as failed:
        await store.consents.remember(a_consent())
    assert "consents" in failed.value.detail
    assert "consents" not in failed.value.message + failed.value.action
    await store.close()


async def test_what_raises_in_a_transaction_leaves_nothing(address: str) -> None:
    store = await open_store(address)
    grant, other = a_grant(), a_grant()
    for found in (grant, other):
        await store.grants.add(found)
    token = a_refresh_token(grant)
    await store.refresh_tokens.add(token)
    taken = a_refresh_token(grant, digest=token.digest)
    with pytest.raises(ValueError, match="cannot take this record"):
        await store.refresh_tokens.rotate(token.digest, taken, b"sealed", now=NOW)
    with pytest.raises(ValueError, match="family"):
        await store.refresh_tokens.rotate(token.digest, a_refresh_token(other), b"sealed", now=NOW)
    assert await store.refresh_tokens.find(token.digest) == token
    await store.close()


async def test_a_server_that_hangs_costs_seconds_and_is_forgotten(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, grant = await open_store(postgres), a_grant()
    await store.grants.add(grant)
    stopped = await pids(postgres)
    loop = asyncio.get_running_loop()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = loop.time()
        with pytest.raises(StoreUnavailable):
            await store.ping()
        assert loop.time() - began < 4
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert await store.grants.get(grant.grant_id) == grant
    await store.close()


async def test_a_server_that_was_restarted_costs_nobody_an_error(postgres: str) -> None:
    store, grant = await open_store(postgres), a_grant()
    await store.grants.add(grant)
    for pid in await pids(postgres):
        os.kill(pid, signal.SIGTERM)
    await asyncio.sleep(0.2)
    assert await store.grants.get(grant.grant_id) == grant
    await store.close()


async def test_a_crowd_waits_its_turn(address: str) -> None:
    """Ten times the pool: nobody fails while the store works."""
    store, client = await open_store(address), a_client()
    await store.clients.add(client)
    found = await asyncio.gather(*(store.clients.get(client.client_id) for _ in range(100)))
    assert found == [client] * 100
    await store.close()


async def test_a_pool_that_is_taken_is_told_in_time(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "POOL_TIMEOUT", 0.2)
    store = await open_store(address)
    waiting, release = [], asyncio.Event()

    async def hold() -> None:
        async with store._database.read():
            await release.wait()

    waiting = [asyncio.create_task(hold()) for _ in range(engine.POOL_SIZE)]
    await asyncio.sleep(0.1)
    with pytest.raises(StoreUnavailable) as refused:
        await store.clients.get("client")
    assert "QueuePool" in refused.value.detail
    release.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    await store.ping()
    await store.close()


async def test_who_uses_a_grant_waits_for_who_is_revoking_it(address: str) -> None:
    """Without the lock on the grant's row, PostgreSQL would let the redemption read what is being revoked."""
    one, other = await open_store(address), await open_store(address)
    grant = a_grant()
    code, token = a_code(grant), a_refresh_token(grant)
    await one.grants.add(grant)
    await one.codes.add(code)
    await one.refresh_tokens.add(token)
    async with one._database.write() as connection:
        await connection.execute(tables.grants.update().values(revoked_at=NOW))
        using = [
            asyncio.create_task(other.codes.redeem(code.digest, now=NOW)),
            asyncio.create_task(other.refresh_tokens.rotate(token.digest, a_refresh_token(grant), b"", now=NOW)),
        ]
        done, _ = await asyncio.wait(using, timeout=0.2)
        assert not done
    assert await asyncio.gather(*using) == [None, False]
    await one.close()
    await other.close()


async def test_who_revokes_a_grant_waits_for_who_is_using_it(address: str) -> None:
    one, other = await open_store(address), await open_store(address)
    grant = a_grant()
    code = a_code(grant)
    await one.grants.add(grant)
    await one.codes.add(code)
    async with one._database.write() as connection:
        assert (await connection.execute(live_grant_of(tables.codes, code.digest))).one().grant_id == grant.grant_id
        revoking = asyncio.create_task(other.grants.revoke(grant.grant_id, now=NOW, tokens_expire_at=NOW))
        done, _ = await asyncio.wait([revoking], timeout=0.2)
        assert not done
    assert await revoking is True
    await one.close()
    await other.close()


async def test_who_drops_kept_tokens_waits_for_who_gives_them_to_a_grant(address: str) -> None:
    """Without the lock on their row, PostgreSQL would delete what a grant is about to name."""
    one, other, kept = await open_store(address), await open_store(address), some_kept_tokens()
    await one.kept_tokens.add(kept)
    row = {**identity_row(an_identity()), "client_id": "c", "scopes": (), "resource": "r", "created_at": NOW}
    async with one._database.write() as connection:
        await connection.execute(kept_for_a_grant(kept.tokens_id))
        await connection.execute(tables.grants.insert().values(**row, grant_id="g", tokens_id=kept.tokens_id))
        dropping = asyncio.create_task(other.kept_tokens.drop_unused(kept.tokens_id, now=NOW))
        sweeping = asyncio.create_task(other.housekeeping.sweep(now=NOW + timedelta(hours=1)))
        done, _ = await asyncio.wait([dropping], timeout=0.2)
        assert not done
    assert (await dropping, await sweeping) == (None, 0)
    assert await one.kept_tokens.get(kept.tokens_id) == kept
    await one.close()
    await other.close()


async def test_who_gives_kept_tokens_to_a_grant_waits_for_who_drops_them(address: str) -> None:
    one, other, kept = await open_store(address), await open_store(address), some_kept_tokens()
    await one.kept_tokens.add(kept)
    grant = a_grant(tokens_id=kept.tokens_id)
    async with one._database.write() as connection:
        await connection.execute(tables.kept_tokens.delete())
        adding = asyncio.create_task(other.grants.add(grant))
        done, _ = await asyncio.wait([adding], timeout=0.2)
        assert not done
    await adding
    assert await one.grants.get(grant.grant_id) == replace(grant, tokens_id="")
    await one.close()
    await other.close()


async def test_writing_kept_tokens_keeps_no_new_grant_waiting(postgres: str) -> None:
    one, other, kept = await open_store(postgres), await open_store(postgres), some_kept_tokens()
    await one.kept_tokens.add(kept)
    async with one._database.write() as connection:
        await connection.execute(tables.kept_tokens.update().values(leased_until=NOW))
        grant = a_grant(tokens_id=kept.tokens_id)
        await other.grants.add(grant)
    assert await one.grants.get(grant.grant_id) == grant
    await one.close()
    await other.close()


# --- values ---------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_can_be_stored_and_comes_back(value: str) -> None:
    stored = escape(value)
    assert "\0" not in stored
    stored.encode()
    assert unescape(stored) == value


@given(st.text(), st.text())
def test_two_texts_are_never_stored_alike(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) is (one == other)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))])))
def test_a_moment_comes_back_to_the_microsecond_in_utc(moment: datetime) -> None:
    dialect, column = sqlite.dialect(), Moment()
    stored = column.process_bind_param(moment, dialect)
    assert stored is not None
    assert -(2**63) < stored < 2**63
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        return
    assert column.process_result_value(stored, dialect) == in_utc


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        Moment().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())


# --- rows -----------------------------------------------------------------------------------------------------------


async def test_the_database_itself_refuses_to_change_the_trail(address: str) -> None:
    store, event = await open_store(address), an_audit_event()
    await store.audit.record(event)
    for change in ("UPDATE audit_events SET reason = 'x'", "DELETE FROM audit_events"):
        with pytest.raises((StoreUnavailable, ValueError), match=r"appended|reached|record"):
            async with store._database.write() as connection:
                await connection.execute(text(change))
    assert list(await store.audit.tail()) == [event]
    await store.close()


async def test_the_trails_numbers_only_grow(address: str) -> None:
    store = await open_store(address)
    await asyncio.gather(*(store.audit.record(an_audit_event(reason=str(n))) for n in range(20)))
    async with store._database.read() as connection:
        ids = (await connection.execute(select(tables.audit_events.c.id))).scalars().all()
    assert len(set(ids)) == 20
    await store.audit.record(an_audit_event())
    async with store._database.read() as connection:
        assert max((await connection.execute(select(tables.audit_events.c.id))).scalars()) > max(ids)
    await store.close()


async def test_every_row_names_its_tenant(address: str) -> None:
    store = await open_store(address)
    grant = a_grant(tenant="company")
    await store.grants.add(grant)
    await store.codes.add(a_code(grant))
    await store.refresh_tokens.add(a_refresh_token(grant))
    await store.sessions.add(a_session(tenant="company"))
    await store.audit.record(an_audit_event(tenant="company"))
    await store.grants.revoke(grant.grant_id, now=NOW, tokens_expire_at=NOW)
    async with store._database.read() as connection:
        for table in (
            tables.grants,
            tables.codes,
            tables.refresh_tokens,
            tables.sessions,
            tables.audit_events,
            tables.revocations,
        ):
            assert (await connection.execute(select(table.c.tenant))).scalars().all() == ["company"], table.name
    assert all("tenant" in table.c and not table.c.tenant.nullable for table in tables.metadata.tables.values())
    await store.close()


async def test_claims_are_not_kept(address: str) -> None:
    store = await open_store(address)
    grant = a_grant(identity=an_identity(claims={"groups": ["payroll"]}))
    await store.grants.add(grant)
    found = await store.grants.get(grant.grant_id)
    assert found is not None
    assert found.identity.claims == {}
    await store.close()


async def test_an_enum_is_stored_by_its_value(address: str) -> None:
    store, request = await open_store(address), a_request()
    await store.requests.add(request)
    async with store._database.read() as connection:
        assert (await connection.execute(text("SELECT state FROM authorization_requests"))).scalar() == "asked"
    await store.close()


async def test_a_night_of_leftovers_is_swept_in_small_steps(address: str) -> None:
    store = await open_store(address)
    row = {**identity_row(an_identity()), "signed_in_at": NOW, "expires_at": NOW}
    async with store._database.write() as connection:
        await connection.execute(tables.sessions.insert(), [{**row, "digest": b"%d" % n} for n in range(1100)])
    assert await store.housekeeping.sweep(now=NOW + timedelta(days=1)) == 1100
    assert await store.housekeeping.sweep(now=NOW + timedelta(days=1)) == 0
    await store.close()
