"""What goes by itself, and what stays."""

import asyncio
from datetime import timedelta

from vestibule.testing.records import NOW, a_refresh_token, a_request, a_revocation, a_session
from vestibule.testing.store_contract.support import CALLERS, MICROSECOND, SECOND, StoreOpener, coded, refreshable


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
        assert await store.revocations.since(NOW - SECOND, now=NOW) == []
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
