"""What is remembered of people and their browsers: consents and sessions."""

import asyncio
from dataclasses import replace

from vestibule.model import DEFAULT_TENANT, digest
from vestibule.testing.records import NOW, a_consent, a_consent_key, a_session, an_identity, fresh
from vestibule.testing.store_contract.support import CALLERS, MICROSECOND, SECOND, STRANGE, StoreOpener


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

    async def test_a_persons_answers_are_listed_and_nobody_elses(self, open_store: StoreOpener) -> None:
        store, user = await open_store(), fresh(f"work:{STRANGE}")
        theirs = [
            a_consent(a_consent_key(user=user, client_id=f"c{n}", resource=STRANGE), approved=n > 0) for n in range(3)
        ]
        for consent in (
            *theirs,
            a_consent(a_consent_key(user=user, tenant="another")),
            a_consent(a_consent_key(user=user + "x")),
        ):
            await store.consents.remember(consent)
        listed = await store.consents.list_of(theirs[0].key.tenant, user)
        assert sorted(listed, key=lambda consent: consent.key.client_id) == theirs
        assert list(await store.consents.list_of("another", "nobody")) == []

    async def test_a_client_is_forgotten_by_everybody(self, open_store: StoreOpener) -> None:
        store, client_id = await open_store(), fresh(STRANGE)
        its = [a_consent(a_consent_key(client_id=client_id, tenant=tenant)) for tenant in ("one", "two", "three")]
        elses = a_consent(a_consent_key(client_id=client_id + "x"))
        for consent in (*its, elses):
            await store.consents.remember(consent)
        assert await store.consents.forget_client(client_id) == 3
        assert await store.consents.forget_client(client_id) == 0
        assert [await store.consents.find(consent.key) for consent in its] == [None] * 3
        assert await store.consents.find(elses.key) == elses


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

    async def test_a_session_knows_its_roles_and_its_tokens(self, open_store: StoreOpener) -> None:
        store = await open_store()
        identity = an_identity(subject=STRANGE, name=STRANGE, roles=frozenset({"admin", STRANGE}))
        session = a_session(identity=identity, tenant=STRANGE, tokens_id=fresh("tokens"))
        await store.sessions.add(session)
        assert await store.sessions.get(session.digest, now=NOW) == session

    async def test_a_person_is_signed_out_of_every_browser_and_nobody_else_is(self, open_store: StoreOpener) -> None:
        store = await open_store()
        for subject in (fresh("urn:people:ada"), fresh(STRANGE + ":"), ":" + fresh("x")):
            ada = an_identity(subject=subject)
            theirs = [a_session(identity=ada) for _ in range(3)]
            others = [
                a_session(identity=ada, tenant="another"),
                a_session(identity=replace(ada, provider="elsewhere")),
                a_session(identity=replace(ada, subject=subject + ":x")),
                a_session(identity=replace(ada, subject=subject.rpartition(":")[2])),
            ]
            for session in (*theirs, *others):
                await store.sessions.add(session)
            assert await store.sessions.remove_of(DEFAULT_TENANT, ada.user) == 3
            assert await store.sessions.remove_of(DEFAULT_TENANT, ada.user) == 0
            assert [await store.sessions.get(session.digest, now=NOW) for session in theirs] == [None] * 3
            assert [await store.sessions.get(session.digest, now=NOW) for session in others] == others

    async def test_half_a_name_signs_nobody_out(self, open_store: StoreOpener) -> None:
        store, session = await open_store(), a_session(identity=an_identity(subject=""))
        await store.sessions.add(session)
        for user in ("", "work", session.identity.subject, "%:%"):
            assert await store.sessions.remove_of(session.tenant, user) == 0
        assert await store.sessions.get(session.digest, now=NOW) == session
