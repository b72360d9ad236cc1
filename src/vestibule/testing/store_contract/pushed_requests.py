"""Pushed authorization requests."""

from vestibule.model import digest
from vestibule.testing.records import NOW, a_pushed_request
from vestibule.testing.store_contract.support import (
    CALLERS,
    MICROSECOND,
    STRANGE,
    StoreOpener,
    refused,
    winners,
)


class PushedRequestContract:
    async def test_a_pushed_request_comes_back_as_it_was(self, open_store: StoreOpener) -> None:
        store, pushed = await open_store(), a_pushed_request(client_id=STRANGE, sealed_parameters=bytes(range(256)))
        await store.pushed_requests.add(pushed)
        assert await store.pushed_requests.take(pushed.digest, now=NOW) == pushed

    async def test_a_pushed_request_is_taken_once(self, open_store: StoreOpener) -> None:
        one, other, pushed = await open_store(), await open_store(), a_pushed_request()
        await one.pushed_requests.add(pushed)
        won = await winners(
            [store.pushed_requests.take(pushed.digest, now=NOW) for store in [one, other] * (CALLERS // 2)]
        )
        assert won == [pushed]
        assert await one.pushed_requests.take(pushed.digest, now=NOW) is None

    async def test_an_expired_pushed_request_is_not_there(self, open_store: StoreOpener) -> None:
        store, pushed = await open_store(), a_pushed_request()
        await store.pushed_requests.add(pushed)
        assert await store.pushed_requests.take(pushed.digest, now=pushed.expires_at) is None
        assert await store.pushed_requests.take(pushed.digest, now=pushed.expires_at) is None
        assert await store.pushed_requests.take(pushed.digest, now=pushed.expires_at - MICROSECOND) == pushed

    async def test_a_reference_is_given_once(self, open_store: StoreOpener) -> None:
        store, pushed = await open_store(), a_pushed_request()
        await store.pushed_requests.add(pushed)
        await refused(store.pushed_requests.add(a_pushed_request(digest=pushed.digest, client_id="another")))
        assert await store.pushed_requests.take(pushed.digest, now=NOW) == pushed

    async def test_an_unknown_reference_takes_nothing(self, open_store: StoreOpener) -> None:
        store = await open_store()
        assert await store.pushed_requests.take(digest("guess"), now=NOW) is None
        assert await store.pushed_requests.take(digest("guess"), now=NOW) is None
