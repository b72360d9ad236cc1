"""The identity provider's tokens: sealed, refreshed once for all who wait, dropped when nobody needs them."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.security.vectors import vector
from tests.support.house import Door, Flow, open_door
from vestibule.credentials import KeptProviderTokens
from vestibule.errors import IdentityProviderUnavailable, ProviderSignInNeeded
from vestibule.keys import KeyRing, RootKey
from vestibule.model import DEFAULT_TENANT, ProviderTokens, SignedIn
from vestibule.ports import IdentityProvider, SignInRequest
from vestibule.stores import SqlStore, open_store
from vestibule.testing.clock import FrozenClock
from vestibule.testing.identity_provider import ScriptedIdentityProvider
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.records import a_grant, a_session

OLD, NEW = RootKey(os.urandom(32), created_at=1), RootKey(os.urandom(32), created_at=2)


@dataclass
class Provider:
    """Rotates its refresh tokens, and takes a second use of one for a theft."""

    clock: FrozenClock
    good: str = "r0"
    asked: int = 0
    revoked: list[str] = field(default_factory=list)
    fails: Exception | None = None
    seconds: float = 0.02
    name: str = "work"
    title: str = "Work"

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.fails is not None:
            raise self.fails
        if tokens.refresh_token != self.good:
            raise ProviderSignInNeeded("The refresh token was used twice.")
        self.good = f"r{self.asked}"
        end = self.clock() + timedelta(hours=1)
        return replace(tokens, access_token=f"a{self.asked}", refresh_token=self.good, expires_at=end)

    async def revoke(self, tokens: ProviderTokens) -> None:
        self.revoked.append(tokens.refresh_token)

    async def begin(self, request: SignInRequest) -> str:
        raise NotImplementedError

    async def finish(self, answer: Mapping[str, str], request: SignInRequest) -> SignedIn:
        raise NotImplementedError

    async def ping(self) -> None:
        raise NotImplementedError


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[SqlStore, SqlStore]]:
    """Two replicas of one store."""
    address = f"sqlite:///{tmp_path / 'store.db'}"
    pair = (await open_store(address), await open_store(address))
    yield pair
    for store in pair:
        await store.close()


def keeper(store: SqlStore, provider: Provider, clock: FrozenClock, ring: KeyRing | None = None) -> KeptProviderTokens:
    providers: dict[str, IdentityProvider] = {"work": provider}
    sealer = ring or KeyRing([OLD], os.urandom)
    return KeptProviderTokens(store.kept_tokens, providers, sealer, clock=clock, entropy=os.urandom)


def tokens(clock: FrozenClock, *, seconds: float = 0.0) -> ProviderTokens:
    return ProviderTokens("work", "a0", "r0", clock() + timedelta(seconds=seconds), ("openid",))


async def test_what_is_kept_is_sealed_and_comes_back(stores: tuple[SqlStore, SqlStore], clock: FrozenClock) -> None:
    kept = keeper(stores[0], Provider(clock), clock)
    said = tokens(clock, seconds=3600)
    tokens_id = await kept.keep(said, DEFAULT_TENANT, "work:ada")
    row = await stores[1].kept_tokens.get(tokens_id)
    assert row is not None
    assert b"a0" not in row.sealed
    found = await keeper(stores[1], Provider(clock), clock).get(tokens_id)
    assert (found.access_token, found.refresh_token, found.scopes) == ("a0", "r0", ("openid",))
    with pytest.raises(ProviderSignInNeeded):
        await keeper(stores[1], Provider(clock), clock, KeyRing([NEW], os.urandom)).get(tokens_id)
    with pytest.raises(ProviderSignInNeeded):
        await kept.get("unknown")


async def test_all_who_wait_on_all_replicas_share_one_refresh(
    stores: tuple[SqlStore, SqlStore], clock: FrozenClock
) -> None:
    provider = Provider(clock)
    one, other = keeper(stores[0], provider, clock), keeper(stores[1], provider, clock)
    tokens_id = await one.keep(tokens(clock), DEFAULT_TENANT, "work:ada")
    found = await asyncio.gather(*(each.get(tokens_id) for _ in range(25) for each in (one, other)))
    assert {each.access_token for each in found} == {"a1"}
    assert provider.asked == 1


async def test_a_provider_that_is_down_costs_nothing_but_a_try(
    stores: tuple[SqlStore, SqlStore], clock: FrozenClock
) -> None:
    provider = Provider(clock, fails=IdentityProviderUnavailable("down"))
    kept = keeper(stores[0], provider, clock)
    tokens_id = await kept.keep(tokens(clock), DEFAULT_TENANT, "work:ada")
    with pytest.raises(IdentityProviderUnavailable):
        await kept.get(tokens_id)
    provider.fails = None
    assert (await kept.get(tokens_id)).access_token == "a2"


async def test_a_replica_that_dies_while_it_asks_keeps_nobody_waiting(
    stores: tuple[SqlStore, SqlStore], clock: FrozenClock
) -> None:
    provider = Provider(clock)
    kept = keeper(stores[0], provider, clock)
    tokens_id = await kept.keep(tokens(clock), DEFAULT_TENANT, "work:ada")
    assert await stores[1].kept_tokens.lease(tokens_id, now=clock(), until=clock() + timedelta(seconds=15))
    waiting = asyncio.create_task(kept.get(tokens_id))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    clock.advance(15)
    assert (await asyncio.wait_for(waiting, 5)).access_token == "a1"


async def test_one_who_gives_up_does_not_lose_what_the_provider_gave(
    stores: tuple[SqlStore, SqlStore], clock: FrozenClock
) -> None:
    provider = Provider(clock, seconds=0.2)
    kept = keeper(stores[0], provider, clock)
    tokens_id = await kept.keep(tokens(clock), DEFAULT_TENANT, "work:ada")
    impatient = asyncio.create_task(kept.get(tokens_id))
    await asyncio.sleep(0.05)
    impatient.cancel()
    assert (await kept.get(tokens_id)).access_token == "a1"
    assert provider.asked == 1


async def test_tokens_go_when_neither_session_nor_grant_needs_them(
    stores: tuple[SqlStore, SqlStore], clock: FrozenClock
) -> None:
    provider, store = Provider(clock), stores[0]
    kept = keeper(store, provider, clock)
    tokens_id = await kept.keep(tokens(clock, seconds=3600), DEFAULT_TENANT, "work:ada")
    session = a_session(tokens_id=tokens_id, expires_at=clock() + timedelta(hours=1))
    grant = a_grant(tokens_id=tokens_id)
    await store.sessions.add(session)
    await store.grants.add(grant)
    await kept.drop(tokens_id)
    await store.sessions.remove(session.digest)
    await kept.drop(tokens_id)
    assert (await kept.get(tokens_id)).access_token == "a0"
    await store.grants.revoke(grant.grant_id, now=clock(), tokens_expire_at=clock())
    await kept.drop(tokens_id)
    await kept.drop(tokens_id)
    assert provider.revoked == ["r0"]
    assert await store.kept_tokens.get(tokens_id) is None


async def test_a_rotation_of_our_keys_seals_them_again(stores: tuple[SqlStore, SqlStore], clock: FrozenClock) -> None:
    provider = Provider(clock)
    before = keeper(stores[0], provider, clock)
    ids = [await before.keep(tokens(clock, seconds=3600), DEFAULT_TENANT, "work:ada") for _ in range(3)]
    ring = KeyRing([OLD, NEW], os.urandom, now=clock().timestamp())
    after = keeper(stores[0], provider, clock, ring)
    assert await after.reseal(ring.sealed_prefix) == 3
    assert await after.reseal(ring.sealed_prefix) == 0
    only_new = keeper(stores[0], provider, clock, KeyRing([NEW], os.urandom, now=clock().timestamp()))
    assert [(await only_new.get(one)).access_token for one in ids] == ["a0"] * 3


# --- in the whole gateway -------------------------------------------------------------------------------------------


@pytest.fixture
async def idp() -> AsyncIterator[ScriptedIdentityProvider]:
    async with ScriptedIdentityProvider() as running:
        yield running


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream, idp: ScriptedIdentityProvider) -> AsyncIterator[Door]:
    provider = {
        "kind": "oidc",
        "name": "work",
        "issuer": idp.issuer,
        "client_id": idp.client_id,
        "client_secret": "env:IDP_SECRET",
    }
    environ = {"IDP_SECRET": idp.client_secret}
    async with open_door(tmp_path, upstream.url, environ=environ, identity_providers=[provider]) as running:
        yield running


async def signed_in(door: Door) -> tuple[Flow, dict[str, str]]:
    flow, visitor = Flow(door, await door.register()), door.browser()
    to_provider = await visitor.decide(await visitor.ask(flow))
    back = await door.http.get(to_provider.headers["location"])
    done = await visitor.get(back.headers["location"])
    from tests.support.house import REDIRECT, response_parameters

    flow.code = response_parameters(done, REDIRECT)["code"]
    return flow, (await flow.redeem()).json()


@vector("REF-013")
async def test_our_refresh_tokens_do_not_depend_on_the_provider(
    vector: str, door: Door, idp: ScriptedIdentityProvider
) -> None:
    flow, given = await signed_in(door)
    idp.script.answers["/token"] = lambda: (500, {})
    idp.script.answers["/jwks"] = lambda: (500, {})
    door.clock.advance(24 * 3600)
    form = {"grant_type": "refresh_token", "client_id": flow.client["client_id"]}
    for _ in range(3):
        answer = await door.post("/token", {**form, "refresh_token": given["refresh_token"]})
        assert answer.status_code == 200
        given = answer.json()
        door.clock.advance(24 * 3600)


@vector("REV-011")
async def test_a_revocation_reaches_the_providers_tokens(
    vector: str, door: Door, idp: ScriptedIdentityProvider
) -> None:
    flow, given = await signed_in(door)
    server = door.house.plane.server
    grant = (await server.store.grants.list_live())[0]
    assert (await server.provider_tokens.get(grant.tokens_id)).access_token
    for session in [visitor.cookie("session") for visitor in door.visitors]:
        if session:
            from vestibule.model import digest

            await server.store.sessions.remove(digest(session))
    await door.post("/revoke", {"token": given["refresh_token"], "client_id": flow.client["client_id"]})
    with pytest.raises(ProviderSignInNeeded):
        await server.provider_tokens.get(grant.tokens_id)
