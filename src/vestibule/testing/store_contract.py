"""What every store promises (`vestibule.ports`), as tests: for ours, and for those of plug-in authors.

Subclass, and give a fixture that opens the same database as often as it is asked to:

    class TestMyStore(StoreContract):
        @pytest.fixture
        async def open_store(self, tmp_path):
            opened = []
            async def opener():
                opened.append(await MyStore.open(tmp_path / "db"))
                return opened[-1]
            yield opener
            for store in opened:
                await store.close()

The tests are plain coroutines with assertions; pytest with asyncio_mode "auto" runs them. Races are run over two
stores on one database, as two replicas would.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar

from vestibule.errors import StoreUnavailable
from vestibule.model import AuthorizationCode, Grant, RefreshToken, RequestState, Revocation, RevocationKind, digest
from vestibule.ports import Store
from vestibule.testing.records import (
    NOW,
    a_client,
    a_code,
    a_consent,
    a_consent_key,
    a_grant,
    a_refresh_token,
    a_request,
    a_revocation,
    a_session,
    a_sign_in,
    an_audit_event,
    fresh,
)

StoreOpener: TypeAlias = Callable[[], Awaitable[Store]]
Won = TypeVar("Won")

CALLERS = 24  # that want the same thing at once
ROUNDS = 12  # of a race between two

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
STRANGE = "a\x00b \\0; \\5c; \ud800 \u202e \U0001f600 '\"; DROP TABLE clients; --"


async def winners(callers: Sequence[Awaitable[Won | None]]) -> list[Won]:
    """What those got who did not get None or False. All begin at once."""
    return [answer for answer in await asyncio.gather(*callers) if answer]


async def granted(store: Store, **changes: Any) -> Grant:
    grant = a_grant(**changes)
    await store.grants.add(grant)
    return grant


async def coded(store: Store, **changes: Any) -> AuthorizationCode:
    code = a_code(await granted(store), **changes)
    await store.codes.add(code)
    return code


async def refreshable(store: Store, **changes: Any) -> tuple[Grant, RefreshToken]:
    grant = await granted(store)
    token = a_refresh_token(grant, **changes)
    await store.refresh_tokens.add(token)
    return grant, token


async def revoke(store: Store, grant_id: str) -> bool:
    return await store.grants.revoke(grant_id, now=NOW, tokens_expire_at=NOW + timedelta(minutes=11))


class ClientContract:
    async def test_a_client_comes_back_as_it_was_registered(self, open_store: StoreOpener) -> None:
        store, client = await open_store(), a_client()
        await store.clients.add(client)
        assert await store.clients.get(client.client_id) == client

    async def test_a_public_client_has_no_secret(self, open_store: StoreOpener) -> None:
        store, client = await open_store(), a_client(auth_method="none", secret_digest=None, scopes=())
        await store.clients.add(client)
        assert await store.clients.get(client.client_id) == client

    async def test_whatever_a_stranger_wrote_comes_back_to_the_letter(self, open_store: StoreOpener) -> None:
        store = await open_store()
        client = a_client(client_id=STRANGE + fresh("x"), name=STRANGE * 200, redirect_uris=(STRANGE,))
        await store.clients.add(client)
        assert await store.clients.get(client.client_id) == client

    async def test_an_unknown_client_is_none_however_it_is_written(self, open_store: StoreOpener) -> None:
        store = await open_store()
        for client_id in ("", "nobody", "\x00", "\ud800", "x" * 100_000, "https://app.example/%00"):
            assert await store.clients.get(client_id) is None

    async def test_a_taken_client_id_is_refused_and_nothing_replaced(self, open_store: StoreOpener) -> None:
        store, client = await open_store(), a_client()
        await store.clients.add(client)
        await _refused(store.clients.add(a_client(client_id=client.client_id, name="another")))
        assert await store.clients.get(client.client_id) == client

    async def test_removing_a_client_is_told_once_and_keeps_its_grants(self, open_store: StoreOpener) -> None:
        store, client = await open_store(), a_client()
        await store.clients.add(client)
        grant = await granted(store, client_id=client.client_id)
        assert await store.clients.remove(client.client_id) is True
        assert await store.clients.remove(client.client_id) is False
        assert await store.clients.get(client.client_id) is None
        assert await store.grants.get(grant.grant_id) == grant


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


class ConsentContract:
    async def test_the_last_answer_is_remembered(self, open_store: StoreOpener) -> None:
        store, key = await open_store(), a_consent_key()
        first = a_consent(key)
        second = a_consent(key, scopes=frozenset({"a", "b"}), approved=False, decided_at=NOW + SECOND)
        for consent in (first, second):
            await store.consents.remember(consent)
            assert await store.consents.find(key) == consent

    async def test_another_question_has_another_answer(self, open_store: StoreOpener) -> None:
        store, key = await open_store(), a_consent_key()
        await store.consents.remember(a_consent(key))
        for field in ("tenant", "user", "client_id", "redirect_uri", "resource"):
            assert await store.consents.find(a_consent_key(**{"user": key.user, field: "other"})) is None

    async def test_fields_do_not_flow_into_one_another(self, open_store: StoreOpener) -> None:
        store = await open_store()
        await store.consents.remember(a_consent(a_consent_key(user="u", client_id="a\nb", redirect_uri="c")))
        assert await store.consents.find(a_consent_key(user="u", client_id="a", redirect_uri="b\nc")) is None

    async def test_a_question_may_be_as_long_as_addresses_are(self, open_store: StoreOpener) -> None:
        store, long = await open_store(), "https://app.example/" + "x" * 4000
        consent = a_consent(a_consent_key(client_id=long, redirect_uri=long, resource=long))
        await store.consents.remember(consent)
        assert await store.consents.find(consent.key) == consent

    async def test_an_answer_is_forgotten_once(self, open_store: StoreOpener) -> None:
        store, consent = await open_store(), a_consent()
        await store.consents.remember(consent)
        assert await store.consents.forget(consent.key) is True
        assert await store.consents.forget(consent.key) is False
        assert await store.consents.find(consent.key) is None

    async def test_answers_at_once_leave_one_of_them(self, open_store: StoreOpener) -> None:
        one, other, key = await open_store(), await open_store(), a_consent_key()
        answers = [a_consent(key, scopes=frozenset({fresh("scope")})) for _ in range(CALLERS)]
        await asyncio.gather(*(s.consents.remember(a) for s, a in zip([one, other] * CALLERS, answers, strict=False)))
        assert await one.consents.find(key) in answers


class SessionContract:
    async def test_a_session_comes_back_until_it_expires(self, open_store: StoreOpener) -> None:
        store, session = await open_store(), a_session()
        await store.sessions.add(session)
        assert await store.sessions.get(session.digest, now=session.expires_at - MICROSECOND) == session
        assert await store.sessions.get(session.digest, now=session.expires_at) is None
        assert await store.sessions.get(digest("another"), now=NOW) is None

    async def test_a_session_is_removed_once(self, open_store: StoreOpener) -> None:
        store, session = await open_store(), a_session()
        await store.sessions.add(session)
        assert await store.sessions.remove(session.digest) is True
        assert await store.sessions.remove(session.digest) is False
        assert await store.sessions.get(session.digest, now=NOW) is None


class GrantContract:
    async def test_a_grant_comes_back_as_it_was(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant = await granted(store, tenant="company", scopes=())
        assert await store.grants.get(grant.grant_id) == grant
        assert await store.grants.get("unknown") is None

    async def test_a_grant_is_revoked_by_one_caller(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        grant = await granted(one)
        won = await winners([revoke(store, grant.grant_id) for store in [one, other] * (CALLERS // 2)])
        assert won == [True]

    async def test_a_revoked_grant_is_still_there_and_says_so(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant = await granted(store)
        await revoke(store, grant.grant_id)
        found = await store.grants.get(grant.grant_id)
        assert found is not None
        assert found.revoked_at == NOW

    async def test_revoking_is_announced_to_other_replicas(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        grant = await granted(one)
        await revoke(one, grant.grant_id)
        announced = Revocation(RevocationKind.GRANT, grant.grant_id, NOW, NOW + timedelta(minutes=11))
        assert announced in await other.revocations.since(NOW, now=NOW)

    async def test_revoking_what_is_not_there_announces_nothing(self, open_store: StoreOpener) -> None:
        store, unknown = await open_store(), fresh("grant")
        assert await revoke(store, unknown) is False
        assert unknown not in [found.value for found in await store.revocations.since(NOW, now=NOW)]

    async def test_live_grants_are_listed_up_to_a_limit(self, open_store: StoreOpener) -> None:
        store = await open_store()
        live, revoked = [await granted(store) for _ in range(4)], await granted(store)
        await revoke(store, revoked.grant_id)
        listed = [grant.grant_id for grant in await store.grants.list_live()]
        assert {grant.grant_id for grant in live} <= set(listed)
        assert revoked.grant_id not in listed
        assert len(await store.grants.list_live(limit=3)) == 3


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
        await _refused(store.codes.add(code))
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


class RevocationContract:
    async def test_the_feed_has_what_was_revoked_since(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        earlier, later = a_revocation(revoked_at=NOW - SECOND), a_revocation(kind=RevocationKind.GRANT)
        await one.revocations.announce(earlier)
        await one.revocations.announce(later)
        since = await other.revocations.since(NOW, now=NOW)
        assert later in since
        assert earlier not in since
        assert earlier in await other.revocations.since(NOW - SECOND, now=NOW)

    async def test_what_cannot_matter_any_more_is_not_in_the_feed(self, open_store: StoreOpener) -> None:
        store, revocation = await open_store(), a_revocation()
        await store.revocations.announce(revocation)
        assert revocation in await store.revocations.since(NOW, now=revocation.expires_at - MICROSECOND)
        assert revocation not in await store.revocations.since(NOW, now=revocation.expires_at)

    async def test_announcing_twice_never_shortens_it(self, open_store: StoreOpener) -> None:
        store, revocation = await open_store(), a_revocation()
        shorter = a_revocation(value=revocation.value, revoked_at=NOW + SECOND, expires_at=NOW + 2 * SECOND)
        await asyncio.gather(*(store.revocations.announce(found) for found in (revocation, revocation)))
        await store.revocations.announce(shorter)
        found = [r for r in await store.revocations.since(NOW, now=NOW) if r.value == revocation.value]
        assert [r.expires_at for r in found] == [revocation.expires_at]


class AuditContract:
    async def test_the_trail_comes_back_newest_first(self, open_store: StoreOpener) -> None:
        store = await open_store()
        events = [an_audit_event(at=NOW - SECOND * n) for n in range(4)]  # the order of writing counts, not the clock
        for event in events:
            await store.audit.record(event)
        assert list(await store.audit.tail(limit=4)) == events[::-1]
        assert list(await store.audit.tail(limit=2)) == [events[3], events[2]]

    async def test_what_is_written_is_kept_to_the_letter(self, open_store: StoreOpener) -> None:
        store = await open_store()
        event = an_audit_event(reason=STRANGE, tenant="", facts={"a\x00": STRANGE, "b": ""}, outcome="failed")
        await store.audit.record(event)
        assert list(await store.audit.tail(limit=1)) == [event]

    async def test_no_event_is_lost_among_many_writers(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        events = [an_audit_event() for _ in range(60)]
        await asyncio.gather(*(s.audit.record(e) for s, e in zip([one, other] * 30, events, strict=True)))
        written = {event.request_id for event in await one.audit.tail(limit=100)}
        assert {event.request_id for event in events} <= written


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
        assert grant.grant_id in [found.value for found in await store.revocations.since(NOW, now=NOW)]
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


class StoreContract(
    ClientContract,
    AuthorizationRequestContract,
    ConsentContract,
    SessionContract,
    GrantContract,
    CodeContract,
    RefreshTokenContract,
    RevocationContract,
    AuditContract,
    HousekeepingContract,
    KeyContract,
    DurabilityContract,
):
    """All of it."""


async def _refused(adding: Awaitable[None]) -> None:
    try:
        await adding
    except ValueError:
        return
    raise AssertionError("the store took it")
