"""API keys: found by digest, ended once, and ended everywhere."""

import asyncio
from datetime import timedelta

from vestibule.model import digest
from vestibule.testing.records import NOW, a_revocation, an_api_key, fresh
from vestibule.testing.store_contract.support import (
    CALLERS,
    MICROSECOND,
    SECOND,
    STRANGE,
    StoreOpener,
    announced,
    refused,
    winners,
)

KNOWN = timedelta(days=90)


class ApiKeyContract:
    async def test_a_key_is_found_as_it_was_added(self, open_store: StoreOpener) -> None:
        store = await open_store()
        keys = [
            an_api_key(),
            an_api_key(expires_at=None, scopes=(), upstreams=("tickets", "wiki")),
            an_api_key(name=STRANGE, tenant=STRANGE, created_by=STRANGE, scopes=("a", "b", "c")),
        ]
        for key in keys:
            await store.api_keys.add(key)
            assert await store.api_keys.find(key.digest) == key
            assert await store.api_keys.get(key.key_id) == key
            assert await store.api_keys.get(key.key_id, tenant=key.tenant) == key
        assert await store.api_keys.find(digest(fresh("unknown"))) is None
        assert await store.api_keys.get(fresh("unknown")) is None

    async def test_a_key_and_its_id_are_there_once(self, open_store: StoreOpener) -> None:
        store, key = await open_store(), an_api_key()
        await store.api_keys.add(key)
        await refused(store.api_keys.add(an_api_key(key_id=key.key_id)))
        await refused(store.api_keys.add(an_api_key(digest=key.digest)))
        assert await store.api_keys.find(key.digest) == key

    async def test_keys_are_listed_by_tenant_the_newest_first(self, open_store: StoreOpener) -> None:
        store, tenant = await open_store(), fresh("tenant")
        old, new = (an_api_key(tenant=tenant, created_at=NOW + turn * SECOND) for turn in range(2))
        other = an_api_key()
        for key in (old, new, other):
            await store.api_keys.add(key)
        assert await store.api_keys.revoke(old.key_id, a_revocation(value=old.key_id))
        assert [key.key_id for key in await store.api_keys.list_of(tenant)] == [new.key_id, old.key_id]
        assert {old.key_id, new.key_id, other.key_id} <= {key.key_id for key in await store.api_keys.list_of()}

    async def test_another_tenants_key_is_not_found(self, open_store: StoreOpener) -> None:
        store, key = await open_store(), an_api_key(tenant="one")
        revocation = a_revocation(value=key.key_id)
        await store.api_keys.add(key)
        assert await store.api_keys.get(key.key_id, tenant="two") is None
        assert await store.api_keys.revoke(key.key_id, revocation, tenant="two") is False
        assert await store.api_keys.find(key.digest) == key
        assert revocation not in await announced(store)

    async def test_of_two_who_revoke_a_key_one_did(self, open_store: StoreOpener) -> None:
        one, other, key = await open_store(), await open_store(), an_api_key()
        await one.api_keys.add(key)
        revocations = [a_revocation(value=key.key_id, revoked_at=NOW + turn * MICROSECOND) for turn in range(CALLERS)]
        stores = [one, other] * CALLERS
        won = await winners(
            [s.api_keys.revoke(key.key_id, found) for s, found in zip(stores, revocations, strict=False)]
        )
        assert len(won) == 1
        found = await other.api_keys.find(key.digest)
        assert found is not None
        said = [revocation for revocation in await announced(other) if revocation.value == key.key_id]
        assert [revocation.revoked_at for revocation in said] == [found.revoked_at]

    async def test_what_ends_a_key_is_announced_with_it(self, open_store: StoreOpener) -> None:
        """Whoever sees the announcement sees the key ended, and the reverse."""
        one, other = await open_store(), await open_store()
        keys = [an_api_key() for _ in range(CALLERS)]
        for key in keys:
            await one.api_keys.add(key)

        async def watch() -> None:
            while True:
                said = {revocation.value for revocation in await announced(other)}
                for key in keys:
                    found = await other.api_keys.get(key.key_id)
                    assert found is not None
                    if key.key_id in said:
                        assert found.revoked_at is not None
                if said >= {key.key_id for key in keys}:
                    return

        revoking = [one.api_keys.revoke(key.key_id, a_revocation(value=key.key_id)) for key in keys]
        assert all((await asyncio.wait_for(asyncio.gather(watch(), *revoking), 30))[1:])

    async def test_a_use_is_remembered_and_changes_nothing_else(self, open_store: StoreOpener) -> None:
        store, key, other = await open_store(), an_api_key(), an_api_key()
        await store.api_keys.add(key)
        await store.api_keys.add(other)
        await store.api_keys.touch(key.key_id, now=NOW + SECOND)
        await store.api_keys.touch(fresh("unknown"), now=NOW)
        assert await store.api_keys.find(key.digest) == an_api_key(
            key_id=key.key_id, digest=key.digest, name=key.name, last_used_at=NOW + SECOND
        )
        assert await store.api_keys.find(other.digest) == other

    async def test_an_ended_key_is_known_for_ninety_days(self, open_store: StoreOpener) -> None:
        store = await open_store()
        expired, revoked, alive = (an_api_key(expires_at=end) for end in (NOW, None, None))
        for key in (expired, revoked, alive):
            await store.api_keys.add(key)
        await store.api_keys.revoke(revoked.key_id, a_revocation(value=revoked.key_id))
        await store.housekeeping.sweep(now=NOW + KNOWN - MICROSECOND)
        assert await store.api_keys.get(expired.key_id) == expired
        assert await store.api_keys.get(revoked.key_id) is not None
        await store.housekeeping.sweep(now=NOW + KNOWN)
        assert await store.api_keys.get(expired.key_id) is None
        assert await store.api_keys.get(revoked.key_id) is None
        assert await store.api_keys.get(alive.key_id) == alive
