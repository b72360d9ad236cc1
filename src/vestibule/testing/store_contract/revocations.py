"""The feed of what must stop working everywhere."""

import asyncio
from datetime import timedelta

from vestibule.model import RevocationKind
from vestibule.testing.records import NOW, a_revocation, fresh
from vestibule.testing.store_contract.support import MICROSECOND, SECOND, STRANGE, StoreOpener, announced


class RevocationContract:
    async def test_whoever_goes_on_from_a_position_sees_what_is_new(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        earlier, later = a_revocation(), a_revocation(kind=RevocationKind.GRANT, revoked_at=NOW - 600 * SECOND)
        await one.revocations.announce(earlier)
        found, position = await other.revocations.news(0, now=NOW)
        assert earlier in found
        await asyncio.sleep(0.01)  # the database's own clock moves by itself
        _, position = await other.revocations.news(position, now=NOW)
        await one.revocations.announce(later)  # dated long ago, by a replica whose clock is behind
        found, _ = await other.revocations.news(position, now=NOW)
        assert later in found
        assert earlier not in found

    async def test_what_cannot_matter_any_more_is_not_in_the_feed(self, open_store: StoreOpener) -> None:
        store, revocation = await open_store(), a_revocation()
        await store.revocations.announce(revocation)
        assert revocation in await announced(store, now=revocation.expires_at - MICROSECOND)
        assert revocation not in await announced(store, now=revocation.expires_at)

    async def test_announcing_twice_never_shortens_it(self, open_store: StoreOpener) -> None:
        store, revocation = await open_store(), a_revocation()
        shorter = a_revocation(value=revocation.value, revoked_at=NOW + SECOND, expires_at=NOW + 2 * SECOND)
        await asyncio.gather(*(store.revocations.announce(found) for found in (revocation, revocation)))
        await store.revocations.announce(shorter)
        found = [r for r in await announced(store) if r.value == revocation.value]
        assert [r.expires_at for r in found] == [revocation.expires_at]

    async def test_people_of_two_tenants_may_have_one_name(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        user = fresh(f"work:{STRANGE}")
        everything = [a_revocation(kind=RevocationKind.USER, value=user, tenant=tenant) for tenant in ("one", "two")]
        for revocation in everything:
            await one.revocations.announce(revocation)
        found = [revocation for revocation in await announced(other) if revocation.value == user]
        assert sorted(found, key=lambda revocation: revocation.tenant) == everything

    async def test_every_kind_comes_back_as_it_was_announced(self, open_store: StoreOpener) -> None:
        store, value = await open_store(), fresh("value")
        everything = [a_revocation(kind=kind, value=value) for kind in RevocationKind]
        for revocation in everything:
            await store.revocations.announce(revocation)
        found = [revocation for revocation in await announced(store) if revocation.value == value]
        assert sorted(found, key=lambda revocation: revocation.kind) == sorted(everything, key=lambda said: said.kind)

    async def test_the_news_are_all_there_is_and_then_what_came_since(self, open_store: StoreOpener) -> None:
        """By the store's own clock: what the announcing replica's clock says does not matter."""
        one, other = await open_store(), await open_store()
        first = a_revocation(revoked_at=NOW + timedelta(days=1), expires_at=NOW + timedelta(days=2))
        await one.revocations.announce(first)
        await asyncio.sleep(0.005)  # SQLite's clock has milliseconds
        news, position = await other.revocations.news(0, now=NOW)
        assert first in news
        assert list((await other.revocations.news(position, now=NOW))[0]) == []
        late = a_revocation(kind=RevocationKind.USER, value=STRANGE, revoked_at=NOW - timedelta(days=1))
        await one.revocations.announce(late)
        news, _ = await other.revocations.news(position, now=NOW)
        assert late in news
        assert first not in news

    async def test_what_is_announced_again_is_news_again(self, open_store: StoreOpener) -> None:
        one, other, revocation = await open_store(), await open_store(), a_revocation()
        await one.revocations.announce(revocation)
        await asyncio.sleep(0.005)
        _, position = await other.revocations.news(0, now=NOW)
        await one.revocations.announce(revocation)
        assert revocation in (await other.revocations.news(position, now=NOW))[0]
        assert revocation not in (await other.revocations.news(0, now=revocation.expires_at))[0]
