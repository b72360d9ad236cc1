"""What is remembered of people and their browsers: consents and sessions."""

import asyncio

from vestibule.model import digest
from vestibule.testing.records import NOW, a_consent, a_consent_key, a_session, fresh
from vestibule.testing.store_contract.support import CALLERS, MICROSECOND, SECOND, StoreOpener


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
