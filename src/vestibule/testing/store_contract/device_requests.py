"""Devices that wait for their user: PENDING → APPROVED → REDEEMED, or PENDING → REFUSED."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from vestibule.model import DeviceRequest, DeviceState, Grant, digest
from vestibule.ports import Store
from vestibule.testing.records import NOW, a_device_request
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


async def waiting(store: Store, **changes: Any) -> DeviceRequest:
    request = a_device_request(**changes)
    await store.device_requests.add(request)
    return request


async def approved(store: Store) -> tuple[Grant, DeviceRequest]:
    grant, request = await granted(store), await waiting(store)
    assert await store.device_requests.approve(request.digest, grant.grant_id, now=NOW)
    return grant, request


class DeviceRequestContract:
    async def test_a_device_request_is_found_by_both_of_its_codes(self, open_store: StoreOpener) -> None:
        store = await open_store()
        for request in (await waiting(store), await waiting(store, user_code=STRANGE, client_id=STRANGE, scopes=())):
            assert await store.device_requests.get(request.digest, now=NOW) == request
            assert await store.device_requests.find(request.user_code, now=NOW) == request

    async def test_what_no_device_shows_finds_nothing(self, open_store: StoreOpener) -> None:
        store = await open_store()
        for user_code in ("", "\x00", "\ud800", "%", "x" * 100_000):
            assert await store.device_requests.find(user_code, now=NOW) is None
        unknown = digest("guess")
        assert await store.device_requests.get(unknown, now=NOW) is None
        assert await store.device_requests.poll(unknown, now=NOW) is None
        assert await store.device_requests.approve(unknown, "grant", now=NOW) is False
        assert await store.device_requests.refuse(unknown, now=NOW) is False
        assert await store.device_requests.redeem(unknown, now=NOW) is None

    async def test_no_two_devices_show_the_same_code(self, open_store: StoreOpener) -> None:
        store = await open_store()
        request = await waiting(store)
        await refused(store.device_requests.add(a_device_request(user_code=request.user_code)))
        await refused(store.device_requests.add(a_device_request(digest=request.digest)))
        assert await store.device_requests.find(request.user_code, now=NOW) == request

    async def test_an_expired_device_request_is_neither_found_nor_decided(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, request = await granted(store), await waiting(store)
        end = request.expires_at
        assert await store.device_requests.get(request.digest, now=end) is None
        assert await store.device_requests.find(request.user_code, now=end) is None
        assert await store.device_requests.approve(request.digest, grant.grant_id, now=end) is False
        assert await store.device_requests.refuse(request.digest, now=end) is False
        assert await store.device_requests.approve(request.digest, grant.grant_id, now=end - MICROSECOND) is True

    async def test_a_device_that_keeps_to_its_interval_is_never_too_soon(self, open_store: StoreOpener) -> None:
        store = await open_store()
        request = await waiting(store, interval=5)
        for turn in range(4):
            now = NOW + turn * 5 * SECOND
            polled = replace(request, polled_at=now)
            assert await store.device_requests.poll(request.digest, now=now) == (polled, False)

    async def test_each_poll_that_comes_too_soon_makes_the_interval_longer(self, open_store: StoreOpener) -> None:
        store = await open_store()
        request = await waiting(store, interval=5)
        now, told = NOW, []
        for wait in (timedelta(), 5 * SECOND - MICROSECOND, 5 * SECOND, 15 * SECOND, timedelta()):
            now += wait
            polled = await store.device_requests.poll(request.digest, now=now)
            assert polled is not None
            assert polled[0].polled_at == now
            told.append((polled[0].interval, polled[1]))
        assert told == [(5, False), (10, True), (15, True), (15, False), (20, True)]

    async def test_of_polls_at_once_one_is_in_time(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        request = await waiting(one, interval=5)
        polls = await winners(
            [store.device_requests.poll(request.digest, now=NOW) for store in [one, other] * (CALLERS // 2)]
        )
        assert sorted(too_soon for _, too_soon in polls) == [False] + [True] * (CALLERS - 1)
        assert max(polled.interval for polled, _ in polls) == 5 * CALLERS

    async def test_a_poll_tells_what_was_decided_and_that_it_has_expired(self, open_store: StoreOpener) -> None:
        store = await open_store()
        (grant, yes), no, late = await approved(store), await waiting(store), await waiting(store)
        await store.device_requests.refuse(no.digest, now=NOW)
        expected = [(yes, DeviceState.APPROVED, grant.grant_id), (no, DeviceState.REFUSED, "")]
        for request, state, grant_id in [*expected, (late, DeviceState.PENDING, "")]:
            polled = await store.device_requests.poll(request.digest, now=request.expires_at)
            assert polled is not None
            assert (polled[0].state, polled[0].grant_id) == (state, grant_id)

    async def test_what_is_decided_is_not_pending_any_more(self, open_store: StoreOpener) -> None:
        store = await open_store()
        (_, yes), no = await approved(store), await waiting(store)
        await store.device_requests.refuse(no.digest, now=NOW)
        for request in (yes, no):
            assert await store.device_requests.get(request.digest, now=NOW) is None
            assert await store.device_requests.find(request.user_code, now=NOW) is None
            assert await store.device_requests.approve(request.digest, "another", now=NOW) is False
            assert await store.device_requests.refuse(request.digest, now=NOW) is False

    async def test_of_approvals_and_refusals_of_a_device_one_counts(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        grants = [await granted(one) for _ in range(CALLERS // 2)]
        for turn in range(ROUNDS // 2):
            request = await waiting(one)
            approving = [one.device_requests.approve(request.digest, grant.grant_id, now=NOW) for grant in grants]
            refusing = [other.device_requests.refuse(request.digest, now=NOW) for _ in grants]
            crowd = [*approving, *refusing] if turn % 2 else [*refusing, *approving]
            answers = await asyncio.gather(*crowd)
            assert sum(answers) == 1
            polled = await one.device_requests.poll(request.digest, now=NOW)
            assert polled is not None
            has_approved = answers.index(True) < len(grants) if turn % 2 else answers.index(True) >= len(grants)
            assert polled[0].state is (DeviceState.APPROVED if has_approved else DeviceState.REFUSED)
            winner = grants[answers.index(True) % len(grants)].grant_id
            assert polled[0].grant_id == (winner if has_approved else "")

    async def test_a_device_code_is_redeemed_once(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        grant, request = await approved(one)
        won = await winners(
            [store.device_requests.redeem(request.digest, now=NOW) for store in [one, other] * (CALLERS // 2)]
        )
        assert won == [replace(request, state=DeviceState.REDEEMED, grant_id=grant.grant_id)]
        polled = await one.device_requests.poll(request.digest, now=NOW)
        assert polled is not None
        assert polled[0].state is DeviceState.REDEEMED

    async def test_only_an_approved_device_code_is_redeemed_and_in_time(self, open_store: StoreOpener) -> None:
        store = await open_store()
        (_, yes), pending, no = await approved(store), await waiting(store), await waiting(store)
        await store.device_requests.refuse(no.digest, now=NOW)
        assert await store.device_requests.redeem(pending.digest, now=NOW) is None
        assert await store.device_requests.redeem(no.digest, now=NOW) is None
        assert await store.device_requests.redeem(yes.digest, now=yes.expires_at) is None
        assert await store.device_requests.redeem(yes.digest, now=yes.expires_at - MICROSECOND) is not None

    async def test_a_device_code_of_a_revoked_grant_is_not_redeemed(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, request = await approved(store)
        await revoke(store, grant.grant_id)
        assert await store.device_requests.redeem(request.digest, now=NOW) is None

    async def test_redeeming_a_device_code_and_revoking_at_once_ends_revoked(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        for turn in range(ROUNDS):
            grant, request = await approved(one)
            race: list[Awaitable[Any]] = [
                one.device_requests.redeem(request.digest, now=NOW),
                revoke(other, grant.grant_id),
            ]
            await asyncio.gather(*race[:: 1 if turn % 2 else -1])
            found = await one.grants.get(grant.grant_id)
            assert found is not None
            assert found.revoked_at == NOW
            assert await one.device_requests.redeem(request.digest, now=NOW) is None
