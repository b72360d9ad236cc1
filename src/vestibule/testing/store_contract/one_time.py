"""What may be seen once."""

import asyncio
from datetime import timedelta

from vestibule.model import digest
from vestibule.testing.records import NOW, fresh
from vestibule.testing.store_contract.support import CALLERS, MICROSECOND, STRANGE, StoreOpener, winners

END = NOW + timedelta(minutes=5)
LATER = END + timedelta(minutes=5)


class OneTimeContract:
    async def test_what_is_used_is_used_for_everybody_until_it_expires(self, open_store: StoreOpener) -> None:
        one, other, jti = await open_store(), await open_store(), digest(fresh("jti"))
        assert await one.one_time.use("dpop", jti, expires_at=END, now=NOW) is True
        for store in (one, other):
            assert await store.one_time.use("dpop", jti, expires_at=END, now=NOW) is False
            assert await store.one_time.use("dpop", jti, expires_at=LATER, now=END - MICROSECOND) is False
        assert await other.one_time.use("dpop", jti, expires_at=LATER, now=END) is True
        assert await one.one_time.use("dpop", jti, expires_at=LATER, now=END) is False

    async def test_of_a_crowd_one_is_the_first(self, open_store: StoreOpener) -> None:
        one, other, jti = await open_store(), await open_store(), digest(fresh("jti"))
        for expires_at, now in ((END, NOW), (LATER, END)):  # the second crowd finds what has expired
            won = await winners(
                [
                    store.one_time.use("dpop", jti, expires_at=expires_at, now=now)
                    for store in [one, other] * (CALLERS // 2)
                ]
            )
            assert won == [True]

    async def test_kinds_and_values_are_apart(self, open_store: StoreOpener) -> None:
        store, jti = await open_store(), digest(fresh("jti"))
        used = [("dpop", jti), ("client-assertion", jti), (STRANGE, jti), ("dpop", jti[:-1]), ("dpop", jti + b"\0")]
        crowd = await asyncio.gather(
            *(store.one_time.use(kind, value, expires_at=END, now=NOW) for kind, value in used)
        )
        assert crowd == [True] * len(used)
