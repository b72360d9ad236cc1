"""Fifty processes of one client refresh one token in the same moment: one new lineage, and nobody is signed out."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.replicas import RESOURCES, Caller, Replica, Time
from vestibule.keys import RootKey
from vestibule.model import Client, ClientOrigin, Grant, Identity, Principal, RefreshToken, digest
from vestibule.stores import open_store

CLIENT = Caller(Client("client", ClientOrigin.REGISTERED, ("http://127.0.0.1/callback",)))


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres"))
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def replicas(address: str, time: Time) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two processes with the same keys over one store."""
    roots = [RootKey(os.urandom(32), 1)]
    stores = [await open_store(address) for _ in range(2)]
    first, second = [await Replica.start(store, roots, time) for store in stores]
    yield first, second
    for store in stores:
        await store.close()


@pytest.fixture
async def token(replicas: tuple[Replica, Replica]) -> str:
    """The refresh token of somebody who is signed in."""
    server = replicas[0].server
    identity = Identity("https://idp.example", "ada", "work")
    grant = Grant("grant", "default", identity, "client", ("read", "write"), RESOURCES[0].identifier, server.clock())
    refresh_token = server.token("vrt_")
    await server.store.clients.add(CLIENT.client)
    await server.store.grants.add(grant)
    await server.store.refresh_tokens.add(
        RefreshToken(digest(refresh_token), "grant", "client", server.clock() + timedelta(days=30))
    )
    return refresh_token


async def refresh(replica: Replica, token: str) -> dict[str, str] | str:
    return await replica.ask_token(CLIENT, grant_type="refresh_token", refresh_token=token)


async def fifty(replicas: tuple[Replica, Replica], token: str) -> list[dict[str, str]]:
    answers = await asyncio.gather(*(refresh(replicas[number % 2], token) for number in range(50)))
    given = [answer for answer in answers if isinstance(answer, dict)]
    assert len(given) == 50, Counter(answer for answer in answers if isinstance(answer, str))
    return given


async def test_fifty_parallel_refreshes_give_one_lineage(replicas: tuple[Replica, Replica], token: str) -> None:
    given = await fifty(replicas, token)
    [successor] = {answer["refresh_token"] for answer in given}
    assert successor != token
    for number, answer in enumerate(given):  # each of them has tokens that work, at the other replica too
        assert isinstance(await replicas[(number + 1) % 2].admit(answer["access_token"], RESOURCES[0]), Principal)


async def test_the_lineage_goes_on_from_fifty_to_fifty(
    replicas: tuple[Replica, Replica], token: str, time: Time
) -> None:
    """Even when every one of them comes back each time, and with another replica."""
    for _ in range(3):
        [token] = {answer["refresh_token"] for answer in await fifty((replicas[1], replicas[0]), token)}
        time.passes(timedelta(minutes=9))
        for replica in replicas:
            await replica.watch.look()
    grant = await replicas[0].store.grants.get("grant")
    assert grant is not None
    assert grant.revoked_at is None


async def test_fifty_with_an_old_token_end_the_family_once(
    replicas: tuple[Replica, Replica], token: str, time: Time
) -> None:
    """What two holders of one token amount to when neither can have lost an answer: theft, and it is noticed."""
    [successor] = {answer["refresh_token"] for answer in await fifty(replicas, token)}
    time.passes(timedelta(seconds=46))
    answers = await asyncio.gather(*(refresh(replicas[number % 2], token) for number in range(50)))
    assert set(map(str, answers)) == {"invalid_grant"}
    assert await refresh(replicas[0], successor) == "invalid_grant"
    events = await replicas[0].store.audit.tail(limit=1000)
    assert Counter(event.action for event in events)["grant.revoke"] == 1
