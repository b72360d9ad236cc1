"""Grants, and ending them."""

from datetime import timedelta

from vestibule.model import Revocation, RevocationKind
from vestibule.testing.records import NOW, fresh
from vestibule.testing.store_contract.support import CALLERS, StoreOpener, granted, revoke, winners


class GrantContract:
    async def test_a_grant_comes_back_as_it_was(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant = await granted(store, tenant="company", scopes=())
        assert await store.grants.get(grant.grant_id) == grant
        assert await store.grants.get("unknown") is None

    async def test_a_grant_is_revoked_by_one_caller(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        grant = await granted(one)
        won = await winners([revoke(store, grant.grant_id) for store in [one, other] * (CALLERS // 2)])
        assert won == [True]

    async def test_a_revoked_grant_is_still_there_and_says_so(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant = await granted(store)
        await revoke(store, grant.grant_id)
        found = await store.grants.get(grant.grant_id)
        assert found is not None
        assert found.revoked_at == NOW

    async def test_revoking_is_announced_to_other_replicas(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        grant = await granted(one)
        await revoke(one, grant.grant_id)
        announced = Revocation(RevocationKind.GRANT, grant.grant_id, NOW, NOW + timedelta(minutes=11))
        assert announced in await other.revocations.since(NOW, now=NOW)

    async def test_revoking_what_is_not_there_announces_nothing(self, open_store: StoreOpener) -> None:
        store, unknown = await open_store(), fresh("grant")
        assert await revoke(store, unknown) is False
        assert unknown not in [found.value for found in await store.revocations.since(NOW, now=NOW)]

    async def test_live_grants_are_listed_up_to_a_limit(self, open_store: StoreOpener) -> None:
        store = await open_store()
        live, revoked = [await granted(store) for _ in range(4)], await granted(store)
        await revoke(store, revoked.grant_id)
        listed = [grant.grant_id for grant in await store.grants.list_live()]
        assert {grant.grant_id for grant in live} <= set(listed)
        assert revoked.grant_id not in listed
        assert len(await store.grants.list_live(limit=3)) == 3
