"""The key ring that belongs to a store; what is there after closing, failing and giving up."""

import asyncio

from vestibule.errors import StoreUnavailable
from vestibule.model import digest
from vestibule.testing.records import (
    NOW,
    a_block,
    a_client,
    a_code,
    a_consent,
    a_device_request,
    a_pushed_request,
    a_refresh_token,
    a_session,
    an_audit_event,
    fresh,
    some_kept_tokens,
)
from vestibule.testing.store_contract.support import (
    CALLERS,
    SECOND,
    StoreOpener,
    announced,
    coded,
    granted,
    refreshable,
    revoke,
    winners,
)


class KeyContract:
    async def test_the_first_ring_is_remembered_and_known_again(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        assert await one.bind_keys({"k1": b"one"}) is True
        assert await other.bind_keys({"k1": b"one"}) is True

    async def test_another_ring_is_noticed(self, open_store: StoreOpener) -> None:
        store = await open_store()
        await store.bind_keys({"k1": b"one", "k2": b"two"})
        assert await store.bind_keys({"k3": b"three"}) is False
        assert await store.bind_keys({"k1": b"another"}) is False
        assert await store.bind_keys({"k1": b"one", "k2": b"another"}) is False
        assert await store.bind_keys({"k1": b"one"}) is True

    async def test_a_ring_may_grow_and_then_lose_its_oldest_key(self, open_store: StoreOpener) -> None:
        store = await open_store()
        await store.bind_keys({"k1": b"one"})
        assert await store.bind_keys({"k1": b"one", "k2": b"two"}) is True
        assert await store.bind_keys({"k2": b"two"}) is True

    async def test_of_different_first_rings_one_counts(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        won = await winners(
            [store.bind_keys({f"k{n}": b"check"}) for n, store in enumerate([one, other] * (CALLERS // 2))]
        )
        assert won == [True]


class DurabilityContract:
    async def test_everything_is_there_after_closing_and_opening(self, open_store: StoreOpener) -> None:
        store = await open_store()
        client, session, consent, event = a_client(), a_session(), a_consent(), an_audit_event()
        await store.clients.add(client)
        await store.sessions.add(session)
        await store.consents.remember(consent)
        code = await coded(store)
        grant, token = await refreshable(store)
        taken = await store.codes.redeem(code.digest, now=NOW)
        await store.refresh_tokens.rotate(token.digest, a_refresh_token(grant), b"sealed", now=NOW)
        await revoke(store, grant.grant_id)
        device, pushed, block, jti = a_device_request(), a_pushed_request(), a_block(), digest(fresh("jti"))
        await store.device_requests.add(device)
        await store.device_requests.refuse(device.digest, now=NOW)
        await store.pushed_requests.add(pushed)
        await store.blocks.add(block)
        await store.one_time.use("dpop", jti, expires_at=pushed.expires_at, now=NOW)
        kept = some_kept_tokens()
        await store.kept_tokens.add(kept)
        await store.kept_tokens.lease(kept.tokens_id, now=NOW, until=NOW + SECOND)
        await store.audit.record(event)
        await store.close()
        store = await open_store()
        assert await store.clients.get(client.client_id) == client
        assert await store.sessions.get(session.digest, now=NOW) == session
        assert await store.consents.find(consent.key) == consent
        assert await store.codes.get(code.digest) == taken
        assert await store.codes.redeem(code.digest, now=NOW) is None
        assert await store.refresh_tokens.rotate(token.digest, a_refresh_token(grant), b"", now=NOW) is False
        assert await revoke(store, grant.grant_id) is False
        assert grant.grant_id in [found.value for found in await announced(store)]
        assert await store.device_requests.approve(device.digest, grant.grant_id, now=NOW) is False
        assert await store.pushed_requests.take(pushed.digest, now=NOW) == pushed
        assert list(await store.blocks.list_all()) == [block]
        assert await store.one_time.use("dpop", jti, expires_at=pushed.expires_at, now=NOW) is False
        assert await store.kept_tokens.lease(kept.tokens_id, now=NOW, until=NOW + SECOND) is False
        assert await store.kept_tokens.get(kept.tokens_id) == kept
        assert list(await store.audit.tail(limit=1)) == [event]

    async def test_a_closed_store_answers_nothing_and_may_be_closed_again(self, open_store: StoreOpener) -> None:
        store = await open_store()
        await store.ping()
        await store.close()
        await store.close()
        for asked in (store.ping(), store.clients.get("client"), store.sessions.add(a_session())):
            try:
                await asked
            except StoreUnavailable:
                continue
            raise AssertionError("a closed store answered")

    async def test_callers_that_give_up_leave_a_store_that_works(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant = await granted(store)
        for step in range(40):
            task = asyncio.ensure_future(store.codes.add(a_code(grant)))
            await asyncio.sleep(step / 10_000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        code = await coded(store)
        assert await store.codes.redeem(code.digest, now=NOW) is not None
