"""Authorization requests in progress."""

from vestibule.model import RequestState, digest
from vestibule.testing.records import NOW, a_request, a_sign_in
from vestibule.testing.store_contract.support import (
    CALLERS,
    MICROSECOND,
    ROUNDS,
    STRANGE,
    StoreOpener,
    winners,
)


class AuthorizationRequestContract:
    async def test_a_request_comes_back_as_it_was(self, open_store: StoreOpener) -> None:
        store = await open_store()
        for request in (a_request(), a_request(client_state=STRANGE), a_request(client_state=None, max_age=None)):
            await store.requests.add(request)
            assert await store.requests.get(request.request_id, now=NOW) == request

    async def test_an_expired_request_is_not_found_and_not_moved(self, open_store: StoreOpener) -> None:
        store, asked, approved = await open_store(), a_request(), a_request()
        await store.requests.add(asked)
        await store.requests.add(approved)
        sign_in = a_sign_in()
        await store.requests.approve(approved.request_id, sign_in, now=asked.expires_at - MICROSECOND)
        end = asked.expires_at
        assert await store.requests.get(asked.request_id, now=end) is None
        assert await store.requests.approve(asked.request_id, a_sign_in(), now=end) is None
        assert await store.requests.refuse(asked.request_id, now=end) is None
        assert await store.requests.redeem_state(sign_in.state_digest, now=end) is None

    async def test_approval_keeps_the_leg_to_the_provider(self, open_store: StoreOpener) -> None:
        store, request, sign_in = await open_store(), a_request(), a_sign_in()
        await store.requests.add(request)
        approved = await store.requests.approve(request.request_id, sign_in, now=NOW)
        assert approved is not None
        assert (approved.state, approved.sign_in) == (RequestState.APPROVED, sign_in)
        assert await store.requests.get(request.request_id, now=NOW) == approved

    async def test_approval_without_a_sign_in_finishes(self, open_store: StoreOpener) -> None:
        store, request = await open_store(), a_request()
        await store.requests.add(request)
        approved = await store.requests.approve(request.request_id, None, now=NOW)
        assert approved is not None
        assert (approved.state, approved.sign_in) == (RequestState.FINISHED, None)

    async def test_a_request_is_approved_once(self, open_store: StoreOpener) -> None:
        one, other, request = await open_store(), await open_store(), a_request()
        await one.requests.add(request)
        approvals = [a_sign_in() for _ in range(CALLERS)]
        won = await winners(
            [
                store.requests.approve(request.request_id, sign_in, now=NOW)
                for store, sign_in in zip([one, other] * CALLERS, approvals, strict=False)
            ]
        )
        assert len(won) == 1
        assert await one.requests.get(request.request_id, now=NOW) == won[0]

    async def test_a_request_is_refused_once(self, open_store: StoreOpener) -> None:
        one, other, request = await open_store(), await open_store(), a_request()
        await one.requests.add(request)
        won = await winners(
            [store.requests.refuse(request.request_id, now=NOW) for store in [one, other] * (CALLERS // 2)]
        )
        assert [refused.state for refused in won] == [RequestState.FINISHED]

    async def test_of_approval_and_refusal_one_counts(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        for _ in range(ROUNDS):
            request = a_request()
            await one.requests.add(request)
            won = await winners(
                [
                    one.requests.approve(request.request_id, a_sign_in(), now=NOW),
                    other.requests.refuse(request.request_id, now=NOW),
                ]
            )
            assert len(won) == 1

    async def test_a_state_is_redeemed_once(self, open_store: StoreOpener) -> None:
        one, other, request, sign_in = await open_store(), await open_store(), a_request(), a_sign_in()
        await one.requests.add(request)
        await one.requests.approve(request.request_id, sign_in, now=NOW)
        won = await winners(
            [store.requests.redeem_state(sign_in.state_digest, now=NOW) for store in [one, other] * (CALLERS // 2)]
        )
        assert [(found.request_id, found.state, found.sign_in) for found in won] == [
            (request.request_id, RequestState.FINISHED, sign_in)
        ]

    async def test_a_state_that_was_never_given_redeems_nothing(self, open_store: StoreOpener) -> None:
        store, request = await open_store(), a_request()
        await store.requests.add(request)
        assert await store.requests.redeem_state(digest("guess"), now=NOW) is None
        assert await store.requests.get(request.request_id, now=NOW) == request
