"""What goes by itself, and what stays."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from vestibule.model import KeptTokens, digest
from vestibule.testing.records import (
    NOW,
    a_block,
    a_client,
    a_code,
    a_consent,
    a_device_request,
    a_grant,
    a_pushed_request,
    a_refresh_token,
    a_request,
    a_revocation,
    a_session,
    fresh,
    some_kept_tokens,
)
from vestibule.testing.store_contract.support import (
    CALLERS,
    MICROSECOND,
    ROUNDS,
    StoreOpener,
    announced,
    coded,
    granted,
    refreshable,
    revoke,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class HousekeepingContract:
    async def test_what_has_expired_goes_and_the_rest_stays(self, open_store: StoreOpener) -> None:
        store = await open_store()
        request, session, revocation = a_request(), a_session(), a_revocation()
        await store.requests.add(request)
        await store.sessions.add(session)
        await store.revocations.announce(revocation)
        grant, token = await refreshable(store)
        assert await store.housekeeping.sweep(now=NOW) == 0
        assert (
            await store.housekeeping.sweep(now=NOW + timedelta(days=31)) == 5
        )  # and the grant that is left with nothing
        assert await store.requests.get(request.request_id, now=NOW) is None
        assert await store.sessions.get(session.digest, now=NOW) is None
        assert await announced(store) == []
        assert await store.refresh_tokens.find(token.digest) is None
        assert await store.grants.get(grant.grant_id) is None

    async def test_a_code_is_known_for_an_hour_after_its_end(self, open_store: StoreOpener) -> None:
        store = await open_store()
        code = await coded(store)
        await store.housekeeping.sweep(now=code.expires_at + timedelta(hours=1) - MICROSECOND)
        assert await store.codes.get(code.digest) == code
        await store.housekeeping.sweep(now=code.expires_at + timedelta(hours=1))
        assert await store.codes.get(code.digest) is None

    async def test_a_sealed_successor_is_forgotten_after_two_minutes(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, token = await refreshable(store)
        await store.refresh_tokens.rotate(token.digest, a_refresh_token(grant), b"sealed", now=NOW)
        await store.housekeeping.sweep(now=NOW + timedelta(seconds=119))
        spent = await store.refresh_tokens.find(token.digest)
        assert spent is not None
        assert spent.sealed_successor == b"sealed"
        assert await store.housekeeping.sweep(now=NOW + timedelta(seconds=120)) == 1
        spent = await store.refresh_tokens.find(token.digest)
        assert spent is not None
        assert spent.sealed_successor is None
        assert spent.successor_digest is not None
        assert await store.housekeeping.sweep(now=NOW + timedelta(seconds=120)) == 0

    async def test_two_replicas_may_sweep_at_once(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        sessions = [a_session() for _ in range(CALLERS)]
        for session in sessions:
            await one.sessions.add(session)
        end = NOW + timedelta(days=1)
        assert sum(await asyncio.gather(one.housekeeping.sweep(now=end), other.housekeeping.sweep(now=end))) == CALLERS

    async def test_what_may_be_seen_once_and_what_waits_for_somebody_goes_in_time(
        self, open_store: StoreOpener
    ) -> None:
        store, pushed, device, jti = await open_store(), a_pushed_request(), a_device_request(), digest(fresh("jti"))
        await store.pushed_requests.add(pushed)
        await store.device_requests.add(device)
        await store.one_time.use("dpop", jti, expires_at=pushed.expires_at, now=NOW)
        assert await store.housekeeping.sweep(now=pushed.expires_at - MICROSECOND) == 0
        assert await store.housekeeping.sweep(now=pushed.expires_at) == 2
        assert await store.pushed_requests.take(pushed.digest, now=NOW) is None
        assert await store.one_time.use("dpop", jti, expires_at=pushed.expires_at, now=NOW) is True
        assert await store.housekeeping.sweep(now=device.expires_at + HOUR - MICROSECOND) == 1  # the jti again
        assert await store.device_requests.poll(device.digest, now=NOW) is not None  # it is told that it has expired
        assert await store.housekeeping.sweep(now=device.expires_at + HOUR) == 1
        assert await store.device_requests.poll(device.digest, now=NOW) is None

    async def test_clients_go_that_were_never_used(self, open_store: StoreOpener) -> None:
        store = await open_store()
        unused, used, allowed, young = a_client(), a_client(), a_client(), a_client(registered_at=NOW + MICROSECOND)
        for client in (unused, used, allowed, young):
            await store.clients.add(client)
        await store.clients.touch(used.client_id, now=NOW)
        await granted(store, client_id=allowed.client_id)
        assert await store.housekeeping.sweep(now=NOW) == 0
        assert await store.housekeeping.sweep(now=NOW, unused_since=NOW - MICROSECOND) == 0
        assert await store.housekeeping.sweep(now=NOW, unused_since=NOW) == 1
        assert await store.clients.get(unused.client_id) is None
        left = {client.client_id for client in await store.clients.list_all()}
        assert left == {used.client_id, allowed.client_id, young.client_id}

    async def test_a_revoked_grant_is_known_for_a_day_and_goes_with_its_tokens(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, token = await refreshable(store, expires_at=NOW + 30 * DAY)
        code = a_code(grant, expires_at=NOW + 30 * DAY)
        await store.codes.add(code)
        await revoke(store, grant.grant_id)
        await store.housekeeping.sweep(now=NOW + DAY - MICROSECOND)
        assert await store.grants.get(grant.grant_id) is not None
        assert await store.refresh_tokens.find(token.digest) == token
        await store.housekeeping.sweep(now=NOW + DAY)
        assert await store.grants.get(grant.grant_id) is None
        assert await store.refresh_tokens.find(token.digest) is None
        assert await store.codes.get(code.digest) is None

    async def test_a_grant_with_nothing_left_goes_a_day_after_its_last_use(self, open_store: StoreOpener) -> None:
        store = await open_store()
        never, used = await granted(store), await granted(store, last_used_at=NOW + HOUR)
        await store.housekeeping.sweep(now=NOW + DAY - MICROSECOND)
        assert await store.grants.get(never.grant_id) == never
        await store.housekeeping.sweep(now=NOW + DAY)
        assert await store.grants.get(never.grant_id) is None
        assert await store.grants.get(used.grant_id) == used
        await store.housekeeping.sweep(now=NOW + DAY + HOUR)
        assert await store.grants.get(used.grant_id) is None

    async def test_kept_tokens_go_when_nobody_names_them_any_more(self, open_store: StoreOpener) -> None:
        store = await open_store()
        loose, seen, allowed = [some_kept_tokens() for _ in range(3)]
        for kept in (loose, seen, allowed):
            await store.kept_tokens.add(kept)
        session = a_session(tokens_id=seen.tokens_id)
        await store.sessions.add(session)
        grant = await granted(store, tokens_id=allowed.tokens_id)
        await store.refresh_tokens.add(a_refresh_token(grant))
        for now, left in (
            (NOW, {loose, seen, allowed}),  # their session may be on its way
            (NOW + HOUR, {seen, allowed}),
            (session.expires_at - MICROSECOND, {seen, allowed}),
            (session.expires_at, {allowed}),
            (NOW + 30 * DAY - MICROSECOND, {allowed}),
            (NOW + 30 * DAY, set[KeptTokens]()),
        ):
            await store.housekeeping.sweep(now=now)
            for kept in (loose, seen, allowed):
                assert await store.kept_tokens.get(kept.tokens_id) == (kept if kept in left else None), now

    async def test_nothing_goes_that_lives(self, open_store: StoreOpener) -> None:
        store = await open_store()
        now, later = NOW + 365 * DAY, NOW + 366 * DAY
        kept, client, block, consent = some_kept_tokens(), a_client(), a_block(), a_consent()
        request, pushed = a_request(expires_at=later), a_pushed_request(expires_at=later)
        device, session, revocation = (
            a_device_request(expires_at=later),
            a_session(expires_at=later),
            a_revocation(expires_at=later),
        )
        await store.kept_tokens.add(kept)
        await store.clients.add(client)
        await store.blocks.add(block)
        await store.consents.remember(consent)
        await store.requests.add(request)
        await store.pushed_requests.add(pushed)
        await store.device_requests.add(device)
        await store.sessions.add(session)
        await store.revocations.announce(revocation)
        grant, token = await refreshable(store, expires_at=later)
        code = await coded(store, expires_at=later)
        named = await granted(store, client_id=client.client_id, tokens_id=kept.tokens_id, last_used_at=now)
        jti = digest(fresh("jti"))
        await store.one_time.use("dpop", jti, expires_at=later, now=NOW)
        assert await store.housekeeping.sweep(now=now, unused_since=now) == 0
        assert await store.kept_tokens.get(kept.tokens_id) == kept
        assert await store.clients.get(client.client_id) == client
        assert await store.blocks.find(block.kind, block.tenant, block.value) == block
        assert await store.consents.find(consent.key) == consent
        assert await store.requests.get(request.request_id, now=now) == request
        assert await store.pushed_requests.take(pushed.digest, now=now) == pushed
        assert await store.device_requests.get(device.digest, now=now) == device
        assert await store.sessions.get(session.digest, now=now) == session
        assert revocation in await announced(store, now=now)
        assert await store.refresh_tokens.find(token.digest) == token
        assert await store.codes.get(code.digest) == code
        assert await store.one_time.use("dpop", jti, expires_at=later, now=now) is False
        for found in (grant, named):
            assert await store.grants.get(found.grant_id) == found

    async def test_a_sweep_and_a_new_token_of_an_old_grant_do_not_pass_each_other(
        self, open_store: StoreOpener
    ) -> None:
        one, other = await open_store(), await open_store()
        for turn in range(ROUNDS):
            grant = await granted(one)
            token = a_refresh_token(grant)
            sweeping, adding = one.housekeeping.sweep(now=NOW + DAY), other.refresh_tokens.add(token)
            race: list[Awaitable[Any]] = [sweeping, adding]
            answers = await asyncio.gather(*race[:: 1 if turn % 2 else -1], return_exceptions=True)
            swept, added = answers if turn % 2 else answers[::-1]
            assert isinstance(swept, int), swept
            assert added is None or isinstance(added, ValueError)
            assert await one.grants.get(grant.grant_id) == (grant if added is None else None)
            assert await one.refresh_tokens.find(token.digest) == (token if added is None else None)

    async def test_a_sweep_and_a_new_grant_of_kept_tokens_do_not_pass_each_other(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        for turn in range(ROUNDS):
            kept = some_kept_tokens()
            await one.kept_tokens.add(kept)
            grant = a_grant(tokens_id=kept.tokens_id, created_at=NOW + HOUR)
            race: list[Awaitable[Any]] = [one.housekeeping.sweep(now=NOW + HOUR), other.grants.add(grant)]
            await asyncio.gather(*race[:: 1 if turn % 2 else -1])
            found = await one.grants.get(grant.grant_id)
            assert found is not None
            assert await one.kept_tokens.get(kept.tokens_id) == (kept if found.tokens_id else None)
