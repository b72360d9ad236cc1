"""Authorization codes."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from vestibule.model import digest
from vestibule.testing.records import NOW, a_code, a_grant
from vestibule.testing.store_contract.support import (
    CALLERS,
    MICROSECOND,
    ROUNDS,
    SECOND,
    StoreOpener,
    coded,
    refused,
    revoke,
    winners,
)


class CodeContract:
    async def test_looking_at_a_code_does_not_take_it(self, open_store: StoreOpener) -> None:
        store = await open_store()
        code = await coded(store)
        assert await store.codes.get(code.digest) == code
        assert await store.codes.redeem(code.digest, now=NOW) is not None

    async def test_a_code_has_one_winner(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        code = await coded(one)
        won = await winners([store.codes.redeem(code.digest, now=NOW) for store in [one, other] * (CALLERS // 2)])
        assert [(found.digest, found.redeemed_at) for found in won] == [(code.digest, NOW)]

    async def test_a_redeemed_code_is_known_as_such(self, open_store: StoreOpener) -> None:
        store = await open_store()
        code = await coded(store)
        taken = await store.codes.redeem(code.digest, now=NOW + SECOND)
        assert await store.codes.get(code.digest) == taken
        assert taken is not None
        assert taken.redeemed_at == NOW + SECOND

    async def test_an_expired_code_is_not_redeemed(self, open_store: StoreOpener) -> None:
        store = await open_store()
        code = await coded(store)
        assert await store.codes.redeem(code.digest, now=code.expires_at) is None
        assert await store.codes.redeem(code.digest, now=code.expires_at - MICROSECOND) is not None

    async def test_a_code_of_a_revoked_grant_is_not_redeemed(self, open_store: StoreOpener) -> None:
        store = await open_store()
        code = await coded(store)
        await revoke(store, code.grant_id)
        assert await store.codes.redeem(code.digest, now=NOW) is None

    async def test_an_unknown_code_is_none(self, open_store: StoreOpener) -> None:
        store = await open_store()
        assert await store.codes.get(digest("guess")) is None
        assert await store.codes.redeem(digest("guess"), now=NOW) is None

    async def test_a_code_without_a_grant_is_refused(self, open_store: StoreOpener) -> None:
        store, code = await open_store(), a_code(a_grant())
        await refused(store.codes.add(code))
        assert await store.codes.get(code.digest) is None

    async def test_redeeming_and_revoking_at_once_ends_revoked(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        for turn in range(ROUNDS):
            code = await coded(one)
            race: list[Awaitable[Any]] = [
                one.codes.redeem(code.digest, now=NOW),
                revoke(other, code.grant_id),
            ]
            await asyncio.gather(*race[:: 1 if turn % 2 else -1])
            grant = await one.grants.get(code.grant_id)
            assert grant is not None
            assert grant.revoked_at == NOW
            assert await one.codes.redeem(code.digest, now=NOW) is None
