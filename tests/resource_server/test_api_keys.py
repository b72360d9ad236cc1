"""What a verified key says, for how long, and what is remembered of its use."""

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.support.api_keys import make_key, revoke_key
from tests.support.house import Door
from vestibule.errors import InvalidToken, StoreUnavailable
from vestibule.model import ApiKey, Presented, digest
from vestibule.resource_server import ApiKeys, RevocationWatch
from vestibule.resource_server.api_keys import ASKED_AGAIN
from vestibule.testing.records import an_api_key
from vestibule.wiring.settings import make_resources


class Told:
    """The log, as what was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, **facts: object) -> None:
        self.events.append((event, facts))


def keys_of(door: Door, log: Told, *static: ApiKey) -> ApiKeys:
    store = door.house.store
    watch = RevocationWatch(store.revocations, door.clock)
    return ApiKeys(store.api_keys, door.house.plane.server.tenant_gate, watch, issuer=door.url, static=static, log=log)


async def test_a_key_calls_as_itself(door: Door) -> None:
    key, secret = await make_key(door, tenant="acme")
    resource, now = make_resources(door.house.configuration)[0], door.clock().timestamp()
    principal = await keys_of(door, Told()).verify(secret, resource, now)
    assert (principal.user, principal.client_id, principal.tenant) == (key.user, key.user, "acme")
    assert (principal.token_id, principal.shown, principal.resource) == (key.key_id, "api-key", resource.identifier)
    assert (principal.scopes, principal.issued_at) == (frozenset({"mcp"}), int(now))
    assert principal.expires_at == door.clock() + ASKED_AGAIN


async def test_what_was_verified_is_never_good_for_longer_than_the_key(door: Door) -> None:
    key, secret = await make_key(door, lifetime=timedelta(seconds=70))
    resource = make_resources(door.house.configuration)[0]
    principal = await keys_of(door, Told()).verify(secret, resource, door.clock().timestamp())
    assert principal.expires_at == key.expires_at
    presented = Presented(api_key=secret.encode())
    doorkeeper = door.house.gateway.doorkeeper
    await doorkeeper.admit(presented, resource, door.clock().timestamp())
    assert doorkeeper.recognize(presented, resource, door.clock().timestamp() + 69) is not None
    assert doorkeeper.recognize(presented, resource, door.clock().timestamp() + 70) is None


async def test_a_use_is_written_once_in_five_minutes(door: Door) -> None:
    key, secret = await make_key(door)
    keys, resource = keys_of(door, Told()), make_resources(door.house.configuration)[0]
    uses = []
    for _ in range(4):
        await keys.verify(secret, resource, door.clock().timestamp())
        await keys.settle()
        kept = await door.house.store.api_keys.get(key.key_id)
        assert kept is not None
        uses.append(kept.last_used_at)
        door.clock.advance(120)
    began = door.clock() - timedelta(seconds=480)
    assert uses == [began, began, began, began + timedelta(seconds=360)]


async def test_a_use_that_cannot_be_written_hinders_nobody(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    key, secret = await make_key(door)
    told = Told()
    keys, resource = keys_of(door, told), make_resources(door.house.configuration)[0]

    async def gone(key_id: str, *, now: datetime) -> None:
        await asyncio.sleep(0)
        raise StoreUnavailable("gone", detail="disk full")

    monkeypatch.setattr(door.house.store.api_keys, "touch", gone)
    assert (await keys.verify(secret, resource, door.clock().timestamp())).token_id == key.key_id
    await keys.settle()
    ((event, facts),) = told.events
    assert (event, facts["key_id"]) == ("api_key_use_not_written", key.key_id)


async def test_the_log_says_what_the_caller_is_not_told(door: Door) -> None:
    key, secret = await make_key(door)
    await revoke_key(door, key)
    keys, resource = keys_of(door, Told()), make_resources(door.house.configuration)[0]
    for shown, detail in ((secret, f"{key.key_id} was revoked"), ("vsk_x", "form"), (f"{secret[:-1]}!", "form")):
        with pytest.raises(InvalidToken) as caught:
            await keys.verify(shown, resource, door.clock().timestamp())
        assert detail in caught.value.detail
        assert shown not in caught.value.detail


async def test_a_key_that_was_revoked_a_moment_ago_is_refused_before_the_store_says_so(door: Door) -> None:
    """The feed may be ahead of what this replica has read."""
    key, secret = await make_key(door)
    store, resource = door.house.store, make_resources(door.house.configuration)[0]
    watch = RevocationWatch(store.revocations, door.clock)
    keys = ApiKeys(store.api_keys, door.house.plane.server.tenant_gate, watch, issuer=door.url, log=Told())
    await revoke_key(door, key)
    await watch.look()
    unaware = ApiKeys(_Stale(key), door.house.plane.server.tenant_gate, watch, issuer=door.url, log=Told())  # type: ignore[arg-type]
    for verifier in (keys, unaware):
        with pytest.raises(InvalidToken):
            await verifier.verify(secret, resource, door.clock().timestamp())


class _Stale:
    """A read that began before the revocation and ends after it."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    async def find(self, known_by: bytes) -> ApiKey:
        return self._key


def test_which_bearer_tokens_are_keys_is_known_without_asking() -> None:
    static = an_api_key(digest=digest("any-string-of-somebody"))
    keys = ApiKeys(None, None, None, issuer="", static=[static], log=Told())  # type: ignore[arg-type]
    assert [keys.takes(token) for token in ("vsk_", "VSK_x", "any-string-of-somebody")] == [True, True, True]
    assert [keys.takes(token) for token in ("", "vat_x", "eyJh.e.y", "any-string-of-Somebody")] == [False] * 4
