"""The sealed tokens of identity providers: one refresh at a time, and gone with the last who needs them."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from vestibule.model import KeptTokens
from vestibule.ports import Store
from vestibule.testing.records import NOW, a_grant, a_session, some_kept_tokens
from vestibule.testing.store_contract.support import (
    CALLERS,
    MICROSECOND,
    ROUNDS,
    SECOND,
    STRANGE,
    StoreOpener,
    granted,
    refused,
    revoke,
    winners,
)

UNTIL = NOW + timedelta(seconds=15)


async def kept_in(store: Store, **changes: Any) -> KeptTokens:
    kept = some_kept_tokens(**changes)
    await store.kept_tokens.add(kept)
    return kept


class KeptTokenContract:
    async def test_kept_tokens_come_back_as_they_were(self, open_store: StoreOpener) -> None:
        store = await open_store()
        for kept in (
            await kept_in(store),
            await kept_in(store, tenant=STRANGE, user=STRANGE, sealed=bytes(range(256)) * 100, version=7),
        ):
            assert await store.kept_tokens.get(kept.tokens_id) == kept
        for unknown in ("", "guess", "\x00", "\ud800"):
            assert await store.kept_tokens.get(unknown) is None

    async def test_kept_tokens_are_not_added_over_others(self, open_store: StoreOpener) -> None:
        store = await open_store()
        kept = await kept_in(store)
        await refused(store.kept_tokens.add(some_kept_tokens(tokens_id=kept.tokens_id, sealed=b"another")))
        assert await store.kept_tokens.get(kept.tokens_id) == kept

    # --- the next version ---

    async def test_the_next_version_follows_the_one_that_was_read(self, open_store: StoreOpener) -> None:
        store = await open_store()
        first = await kept_in(store)
        assert await store.kept_tokens.replace(first, b"second") is True
        second = await store.kept_tokens.get(first.tokens_id)
        assert second == replace(first, sealed=b"second", version=first.version + 1)
        assert await store.kept_tokens.replace(first, b"other second") is False
        assert await store.kept_tokens.get(first.tokens_id) == second
        assert await store.kept_tokens.replace(second, b"third") is True

    async def test_of_writers_who_read_the_same_version_one_writes(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        kept = await kept_in(one)
        sealed = [b"%d" % n for n in range(CALLERS)]
        wrote = await asyncio.gather(
            *(s.kept_tokens.replace(kept, new) for s, new in zip([one, other] * CALLERS, sealed, strict=False))
        )
        assert sum(wrote) == 1
        found = await one.kept_tokens.get(kept.tokens_id)
        assert found == replace(kept, sealed=sealed[wrote.index(True)], version=kept.version + 1)

    async def test_what_has_been_dropped_is_not_written_again(self, open_store: StoreOpener) -> None:
        store = await open_store()
        kept = await kept_in(store)
        assert await store.kept_tokens.drop_unused(kept.tokens_id, now=NOW) == kept
        assert await store.kept_tokens.replace(kept, b"new") is False
        assert await store.kept_tokens.get(kept.tokens_id) is None

    # --- the lease ---

    async def test_a_lease_is_one_callers_until_it_ends_by_itself(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        kept = await kept_in(one)
        for now, until in ((NOW, UNTIL), (UNTIL, UNTIL + 15 * SECOND)):
            won = await winners(
                [
                    store.kept_tokens.lease(kept.tokens_id, now=now, until=until)
                    for store in [one, other] * (CALLERS // 2)
                ]
            )
            assert won == [True]
            assert await other.kept_tokens.lease(kept.tokens_id, now=until - MICROSECOND, until=until) is False

    async def test_a_lease_ends_when_it_is_given_back_and_with_the_next_version(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        kept = await kept_in(one)
        assert await one.kept_tokens.lease(kept.tokens_id, now=NOW, until=UNTIL)
        await one.kept_tokens.release(kept.tokens_id)
        assert await other.kept_tokens.lease(kept.tokens_id, now=NOW, until=UNTIL)
        assert await other.kept_tokens.replace(kept, b"new")
        assert await one.kept_tokens.lease(kept.tokens_id, now=NOW, until=UNTIL)

    async def test_a_write_that_fails_ends_nobodys_lease(self, open_store: StoreOpener) -> None:
        store = await open_store()
        kept = await kept_in(store)
        assert await store.kept_tokens.replace(kept, b"new")
        assert await store.kept_tokens.lease(kept.tokens_id, now=NOW, until=UNTIL)
        assert await store.kept_tokens.replace(kept, b"late") is False
        assert await store.kept_tokens.lease(kept.tokens_id, now=NOW, until=UNTIL) is False

    async def test_a_lease_is_for_what_is_there(self, open_store: StoreOpener) -> None:
        store = await open_store()
        kept, neighbour = await kept_in(store), await kept_in(store)
        assert await store.kept_tokens.lease("unknown", now=NOW, until=UNTIL) is False
        await store.kept_tokens.release("unknown")
        assert await store.kept_tokens.lease(kept.tokens_id, now=NOW, until=UNTIL)
        assert await store.kept_tokens.lease(neighbour.tokens_id, now=NOW, until=UNTIL)

    # --- who needs them ---

    async def test_tokens_that_nobody_needs_are_dropped_by_one_caller(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        kept, neighbour = await kept_in(one), await kept_in(one)
        won = await winners(
            [store.kept_tokens.drop_unused(kept.tokens_id, now=NOW) for store in [one, other] * (CALLERS // 2)]
        )
        assert won == [kept]
        assert await one.kept_tokens.get(kept.tokens_id) is None
        assert await one.kept_tokens.get(neighbour.tokens_id) == neighbour
        assert await one.kept_tokens.drop_unused("", now=NOW) is None

    async def test_a_live_session_needs_its_tokens(self, open_store: StoreOpener) -> None:
        store = await open_store()
        kept, ended = await kept_in(store), await kept_in(store)
        session, gone = a_session(tokens_id=kept.tokens_id), a_session(tokens_id=ended.tokens_id)
        for found in (session, gone):
            await store.sessions.add(found)
        assert await store.kept_tokens.drop_unused(kept.tokens_id, now=session.expires_at - MICROSECOND) is None
        assert await store.kept_tokens.drop_unused(kept.tokens_id, now=session.expires_at) == kept
        await store.sessions.remove(gone.digest)
        assert await store.kept_tokens.drop_unused(ended.tokens_id, now=NOW) == ended

    async def test_a_live_grant_needs_its_tokens(self, open_store: StoreOpener) -> None:
        store = await open_store()
        kept, end = await kept_in(store), NOW + timedelta(days=90)
        revoked = await granted(store, tokens_id=kept.tokens_id)
        await granted(store, tokens_id=kept.tokens_id, expires_at=end)
        assert await store.kept_tokens.drop_unused(kept.tokens_id, now=NOW) is None
        await revoke(store, revoked.grant_id)
        assert await store.kept_tokens.drop_unused(kept.tokens_id, now=end - MICROSECOND) is None
        assert await store.kept_tokens.drop_unused(kept.tokens_id, now=end) == kept

    async def test_when_the_last_two_who_need_them_end_at_once_one_drops_them(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()

        async def end(store: Store, grant_id: str, tokens_id: str) -> KeptTokens | None:
            await revoke(store, grant_id)
            return await store.kept_tokens.drop_unused(tokens_id, now=NOW)

        for _ in range(ROUNDS):
            kept = await kept_in(one)
            grants = [await granted(one, tokens_id=kept.tokens_id) for _ in range(2)]
            won = await winners([end(s, g.grant_id, kept.tokens_id) for s, g in zip((one, other), grants, strict=True)])
            assert won == [kept]

    async def test_a_new_grant_and_a_drop_do_not_pass_each_other(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        for turn in range(ROUNDS):
            kept = await kept_in(one)
            grant = a_grant(tokens_id=kept.tokens_id)
            adding, dropping = one.grants.add(grant), other.kept_tokens.drop_unused(kept.tokens_id, now=NOW)
            if turn % 2:
                _, dropped = await asyncio.gather(adding, dropping)
            else:
                dropped, _ = await asyncio.gather(dropping, adding)
            found = await one.grants.get(grant.grant_id)
            assert found == (grant if dropped is None else replace(grant, tokens_id=""))
            assert await one.kept_tokens.get(kept.tokens_id) == (kept if dropped is None else None)

    async def test_a_grant_that_names_tokens_which_are_gone_is_kept_without_them(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant = await granted(store, tokens_id="gone")
        assert await store.grants.get(grant.grant_id) == replace(grant, tokens_id="")

    # --- another key ---

    async def test_what_another_key_has_sealed_is_listed(self, open_store: StoreOpener) -> None:
        store = await open_store()
        ours, theirs = b"\x00\xffour key", b"\x00\xfeold key"
        await kept_in(store, sealed=ours + b"...")
        await kept_in(store, sealed=ours)
        old = [await kept_in(store, sealed=sealed) for sealed in (theirs, ours[:-1], b"\x00", ours[1:] + ours, b"")]
        listed = {kept.tokens_id: kept for kept in await store.kept_tokens.sealed_otherwise(ours)}
        assert listed == {kept.tokens_id: kept for kept in old}
        assert len(await store.kept_tokens.sealed_otherwise(ours, limit=2)) == 2
        for kept in old:
            assert await store.kept_tokens.replace(kept, ours + b"again")
        assert list(await store.kept_tokens.sealed_otherwise(ours)) == []
