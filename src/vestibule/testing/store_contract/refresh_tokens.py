"""Refresh tokens and their families."""

import asyncio
from collections.abc import Awaitable

from vestibule.model import digest
from vestibule.testing.records import NOW, a_refresh_token
from vestibule.testing.store_contract.support import CALLERS, ROUNDS, SECOND, StoreOpener, granted, refreshable, revoke


class RefreshTokenContract:
    async def test_a_token_is_rotated_by_one_caller_who_adds_the_only_successor(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        grant, token = await refreshable(one)
        successors = [a_refresh_token(grant) for _ in range(CALLERS)]
        rotated = await asyncio.gather(
            *(
                store.refresh_tokens.rotate(token.digest, successor, b"sealed", now=NOW)
                for store, successor in zip([one, other] * CALLERS, successors, strict=False)
            )
        )
        assert sum(rotated) == 1
        found = [await one.refresh_tokens.find(successor.digest) for successor in successors]
        assert [token is not None for token in found] == rotated

    async def test_a_spent_token_leads_to_its_successor(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, token = await refreshable(store)
        successor = a_refresh_token(grant)
        assert await store.refresh_tokens.rotate(token.digest, successor, b"\x00sealed", now=NOW + SECOND)
        spent = await store.refresh_tokens.find(token.digest)
        assert spent is not None
        assert (spent.spent_at, spent.successor_digest) == (NOW + SECOND, successor.digest)
        assert spent.sealed_successor == b"\x00sealed"
        assert await store.refresh_tokens.find(successor.digest) == successor

    async def test_a_spent_token_is_not_rotated_again(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, token = await refreshable(store)
        first, second = a_refresh_token(grant), a_refresh_token(grant)
        assert await store.refresh_tokens.rotate(token.digest, first, b"1", now=NOW) is True
        assert await store.refresh_tokens.rotate(token.digest, second, b"2", now=NOW) is False
        spent = await store.refresh_tokens.find(token.digest)
        assert spent is not None
        assert spent.successor_digest == first.digest
        assert await store.refresh_tokens.find(second.digest) is None

    async def test_a_family_goes_on(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, token = await refreshable(store)
        for _ in range(5):
            successor = a_refresh_token(grant)
            assert await store.refresh_tokens.rotate(token.digest, successor, b"sealed", now=NOW)
            token = successor

    async def test_an_expired_token_is_found_and_not_rotated(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, token = await refreshable(store)
        successor = a_refresh_token(grant)
        assert await store.refresh_tokens.rotate(token.digest, successor, b"", now=token.expires_at) is False
        assert await store.refresh_tokens.find(token.digest) == token

    async def test_a_token_of_a_revoked_grant_is_not_rotated(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, token = await refreshable(store)
        await revoke(store, grant.grant_id)
        successor = a_refresh_token(grant)
        assert await store.refresh_tokens.rotate(token.digest, successor, b"", now=NOW) is False
        assert await store.refresh_tokens.find(successor.digest) is None

    async def test_an_unknown_token_is_none(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant = await granted(store)
        assert await store.refresh_tokens.find(digest("guess")) is None
        assert await store.refresh_tokens.rotate(digest("guess"), a_refresh_token(grant), b"", now=NOW) is False

    async def test_rotating_and_revoking_at_once_ends_revoked(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        for turn in range(ROUNDS):
            grant, token = await refreshable(one)
            successor = a_refresh_token(grant)
            race: list[Awaitable[bool]] = [
                one.refresh_tokens.rotate(token.digest, successor, b"sealed", now=NOW),
                revoke(other, grant.grant_id),
            ]
            answers = await asyncio.gather(*race[:: 1 if turn % 2 else -1])
            rotated = answers[0 if turn % 2 else 1]
            assert (await one.refresh_tokens.find(successor.digest) is not None) is rotated
            for live in (token, successor):
                again = a_refresh_token(grant)
                assert await one.refresh_tokens.rotate(live.digest, again, b"", now=NOW) is False
