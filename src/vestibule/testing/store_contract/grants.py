"""Grants, and ending them."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from vestibule.model import DEFAULT_TENANT, Grant, Revocation, RevocationKind
from vestibule.testing.records import NOW, a_refresh_token, a_revocation, an_identity, fresh, some_kept_tokens
from vestibule.testing.store_contract.support import (
    CALLERS,
    ROUNDS,
    SECOND,
    STRANGE,
    StoreOpener,
    announced,
    coded,
    granted,
    refreshable,
    revoke,
    unlike,
    winners,
)


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
        said = Revocation(RevocationKind.GRANT, grant.grant_id, NOW, NOW + timedelta(minutes=11))
        assert said in await announced(other)

    async def test_revoking_what_is_not_there_announces_nothing(self, open_store: StoreOpener) -> None:
        store, unknown = await open_store(), fresh("grant")
        assert await revoke(store, unknown) is False
        assert unknown not in [found.value for found in await announced(store)]

    async def test_live_grants_are_listed_up_to_a_limit(self, open_store: StoreOpener) -> None:
        store = await open_store()
        live, revoked = [await granted(store) for _ in range(4)], await granted(store)
        await revoke(store, revoked.grant_id)
        listed = [grant.grant_id for grant in await store.grants.list_live()]
        assert {grant.grant_id for grant in live} <= set(listed)
        assert revoked.grant_id not in listed
        assert len(await store.grants.list_live(limit=3)) == 3

    async def test_a_grant_knows_its_end_its_use_its_roles_and_its_tokens(self, open_store: StoreOpener) -> None:
        store, kept = await open_store(), some_kept_tokens()
        await store.kept_tokens.add(kept)
        grant = await granted(
            store,
            identity=an_identity(subject=STRANGE, email=STRANGE, roles=frozenset({"admin", STRANGE})),
            client_id=f"https://app.example/{unlike(2000)}",
            resource=STRANGE,
            expires_at=NOW + timedelta(days=90),
            last_used_at=NOW,
            tokens_id=kept.tokens_id,
        )
        assert await store.grants.get(grant.grant_id) == grant

    async def test_a_rotation_is_a_use_of_the_grant(self, open_store: StoreOpener) -> None:
        store = await open_store()
        grant, token = await refreshable(store)
        other = await granted(store)
        successor = a_refresh_token(grant)
        assert await store.refresh_tokens.rotate(token.digest, successor, b"sealed", now=NOW + SECOND)
        assert await store.refresh_tokens.rotate(token.digest, successor, b"sealed", now=NOW + 2 * SECOND) is False
        found = await store.grants.get(grant.grant_id)
        assert found is not None
        assert found.last_used_at == NOW + SECOND
        assert await store.grants.get(other.grant_id) == other

    async def test_live_grants_are_listed_by_person_client_and_tenant(self, open_store: StoreOpener) -> None:
        store = await open_store()
        ada, client = an_identity(subject=fresh("urn:people:ada")), fresh("client")
        both = await granted(store, identity=ada, client_id=client, created_at=NOW + 3 * SECOND)
        hers = await granted(store, identity=ada, resource=STRANGE, created_at=NOW + 2 * SECOND)
        its = await granted(store, client_id=client, created_at=NOW + SECOND)
        elsewhere = await granted(store, identity=ada, client_id=client, tenant="another")
        await granted(store, identity=replace(ada, provider="elsewhere"))
        await revoke(store, (await granted(store, identity=ada, client_id=client)).grant_id)
        for wanted, expected in (
            ({"tenant": DEFAULT_TENANT, "user": ada.user}, [both, hers]),
            ({"tenant": DEFAULT_TENANT, "user": ada.user, "client_id": client}, [both]),
            ({"tenant": DEFAULT_TENANT, "client_id": client}, [both, its]),
            ({"tenant": "another"}, [elsewhere]),
            ({"user": ada.user}, [both, hers, elsewhere]),
            ({"client_id": client}, [both, its, elsewhere]),
            ({"tenant": "nobody's", "user": ada.user}, []),
            ({"resource": STRANGE}, [hers]),
            ({"client_id": client, "resource": STRANGE}, []),
            ({"user": "work"}, []),
            ({"client_id": STRANGE}, []),
        ):
            assert list(await store.grants.list_live(**cast("dict[str, Any]", wanted))) == expected, wanted
        assert list(await store.grants.list_live(user=ada.user, limit=1)) == [both]

    # --- everything of somebody ---

    async def test_everything_of_a_person_is_revoked_and_announced(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        for subject in (fresh("urn:people:ada"), fresh(STRANGE + ":")):
            ada = an_identity(subject=subject)
            hers = [await granted(one, identity=ada, client_id=fresh("client")) for _ in range(3)]
            others = [
                await granted(one, identity=ada, tenant="another"),
                await granted(one, identity=replace(ada, provider="elsewhere")),
                await granted(one, identity=replace(ada, subject=subject + ":x")),
            ]
            before = await granted(one, identity=ada)
            await revoke(one, before.grant_id)
            everything = a_revocation(kind=RevocationKind.USER, value=ada.user, revoked_at=NOW + SECOND)
            revoked = await one.grants.revoke_all(everything)
            assert _by_id(revoked) == _by_id([replace(grant, revoked_at=NOW + SECOND) for grant in hers])
            assert [await other.grants.get(grant.grant_id) for grant in others] == others
            assert await other.grants.get(before.grant_id) == replace(before, revoked_at=NOW)
            assert everything in await announced(other)

    async def test_everything_of_a_client_is_revoked_and_announced(self, open_store: StoreOpener) -> None:
        one, other, client_id = await open_store(), await open_store(), f"https://app.example/{unlike(2000)}"
        its = [await granted(one, client_id=client_id, tenant=tenant) for tenant in (DEFAULT_TENANT, "another")]
        elses = await granted(one, client_id=client_id + "/")
        everything = a_revocation(kind=RevocationKind.CLIENT, value=client_id)
        revoked = await one.grants.revoke_all(everything)
        assert _by_id(revoked) == _by_id([replace(grant, revoked_at=NOW) for grant in its])
        assert await other.grants.get(elses.grant_id) == elses
        assert everything in await announced(other)

    async def test_a_person_without_grants_is_announced_all_the_same(self, open_store: StoreOpener) -> None:
        """A token may be alive whose grant is not."""
        store = await open_store()
        everything = a_revocation(kind=RevocationKind.USER, value=fresh("work:user"))
        assert list(await store.grants.revoke_all(everything)) == []
        assert everything in await announced(store)

    async def test_everything_revoked_at_once_is_each_callers_own(self, open_store: StoreOpener) -> None:
        """A person and a client whose grants overlap, and one of them alone: nobody waits in a circle."""
        one, other = await open_store(), await open_store()
        for _ in range(ROUNDS // 2):
            ada, client_id = an_identity(), fresh("client")
            grants = [await granted(one, identity=ada, client_id=client_id) for _ in range(6)]
            grants += [await granted(one, identity=ada), await granted(one, client_id=client_id)]
            person = a_revocation(kind=RevocationKind.USER, value=ada.user)
            client = a_revocation(kind=RevocationKind.CLIENT, value=client_id)
            revoking = [
                store.grants.revoke_all(everything) for store in (one, other) for everything in (person, client) * 2
            ]
            alone = [revoke(store, grant.grant_id) for store in (one, other) for grant in grants[:2]]
            answers = await asyncio.gather(asyncio.gather(*revoking), asyncio.gather(*alone))
            told = [grant.grant_id for answer in answers[0] for grant in answer]
            assert len(told) + sum(answers[1]) == len(set(told)) + sum(answers[1]) == len(grants)

    async def test_redeeming_while_everything_is_revoked_ends_revoked(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        for turn in range(ROUNDS):
            code = await coded(one, client_id=fresh("client"))
            grant = await one.grants.get(code.grant_id)
            assert grant is not None
            race: list[Awaitable[Any]] = [
                one.codes.redeem(code.digest, now=NOW),
                other.grants.revoke_all(a_revocation(kind=RevocationKind.USER, value=grant.identity.user)),
            ]
            await asyncio.gather(*race[:: 1 if turn % 2 else -1])
            assert await one.grants.get(grant.grant_id) == replace(grant, revoked_at=NOW)
            assert await one.codes.redeem(code.digest, now=NOW) is None


def _by_id(grants: Iterable[Grant]) -> list[Grant]:
    return sorted(grants, key=lambda grant: grant.grant_id)
