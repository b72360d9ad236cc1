"""Registered clients."""

import asyncio
from dataclasses import replace

from vestibule.model import ClientOrigin
from vestibule.testing.records import NOW, a_client, fresh
from vestibule.testing.store_contract.support import CALLERS, SECOND, STRANGE, StoreOpener, granted, refused


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
        await refused(store.clients.add(a_client(client_id=client.client_id, name="another")))
        assert await store.clients.get(client.client_id) == client

    async def test_removing_a_client_is_told_once_and_keeps_its_grants(self, open_store: StoreOpener) -> None:
        store, client = await open_store(), a_client()
        await store.clients.add(client)
        grant = await granted(store, client_id=client.client_id)
        assert await store.clients.remove(client.client_id) is True
        assert await store.clients.remove(client.client_id) is False
        assert await store.clients.get(client.client_id) is None
        assert await store.grants.get(grant.grant_id) == grant

    async def test_a_clients_keys_come_back_as_it_sent_them(self, open_store: StoreOpener) -> None:
        store = await open_store()
        strange = {"keys": [{"kty": "EC", "x": STRANGE, "n": 2**70, "deep": [None, True, {"": []}]}], STRANGE: 1.5}
        for client in (
            a_client(auth_method="private_key_jwt", secret_digest=None, jwks=strange, issuer="https://a.example"),
            a_client(jwks_uri="https://app.example/jwks.json", needs_pushed_requests=True, needs_dpop=True),
            a_client(jwks={}, registered_at=None),
        ):
            await store.clients.add(client)
            assert await store.clients.get(client.client_id) == client

    async def test_a_client_is_remembered_in_its_last_form_and_since_when(self, open_store: StoreOpener) -> None:
        store, first = await open_store(), a_client()
        second = a_client(
            client_id=first.client_id,
            auth_method="none",
            secret_digest=None,
            redirect_uris=(),
            name=STRANGE,
            jwks={"keys": []},
            needs_dpop=True,
            registered_at=NOW + 2 * SECOND,
        )
        await store.clients.remember(first)
        assert await store.clients.get(first.client_id) == first
        await store.clients.touch(first.client_id, now=NOW + SECOND)
        await store.clients.remember(second)
        found = await store.clients.get(first.client_id)
        assert found == replace(second, registered_at=first.registered_at, last_used_at=NOW + SECOND)

    async def test_remembering_at_once_leaves_one_of_them_and_its_use(self, open_store: StoreOpener) -> None:
        one, other, client = await open_store(), await open_store(), a_client()
        await one.clients.add(client)
        forms = [replace(client, name=fresh("name")) for _ in range(CALLERS)]
        remembering = [s.clients.remember(f) for s, f in zip([one, other] * CALLERS, forms, strict=False)]
        await asyncio.gather(*remembering, one.clients.touch(client.client_id, now=NOW))
        found = await one.clients.get(client.client_id)
        assert found in [replace(form, last_used_at=NOW) for form in forms]

    async def test_clients_are_listed_the_last_registered_first(self, open_store: StoreOpener) -> None:
        store = await open_store()
        clients = [a_client(registered_at=NOW + n * SECOND) for n in (3, 1, 2)] + [a_client(registered_at=None)]
        for client in clients:
            await store.clients.add(client)
        first, third, second, undated = clients
        assert list(await store.clients.list_all()) == [first, second, third, undated]
        assert list(await store.clients.list_all(limit=2)) == [first, second]

    async def test_a_client_is_unused_until_it_gets_a_token(self, open_store: StoreOpener) -> None:
        store = await open_store()
        client, other = a_client(), a_client()
        await store.clients.add(client)
        await store.clients.add(other)
        assert await store.clients.count_unused() == 2
        await store.clients.touch(client.client_id, now=NOW)
        await store.clients.touch(client.client_id, now=NOW + SECOND)
        assert await store.clients.count_unused() == 1
        found = await store.clients.get(client.client_id)
        assert found is not None
        assert found.last_used_at == NOW + SECOND
        assert await store.clients.get(other.client_id) == other

    async def test_the_client_that_has_waited_longest_makes_room(self, open_store: StoreOpener) -> None:
        store = await open_store()
        used, allowed, old, older, document = [a_client(registered_at=NOW - n * SECOND) for n in (9, 8, 1, 2, 7)]
        for client in (used, allowed, old, older, replace(document, origin=ClientOrigin.DOCUMENT), a_client()):
            await store.clients.add(client)
        await store.clients.touch(used.client_id, now=NOW)
        await granted(store, client_id=allowed.client_id)
        for gone in (older, old):
            assert await store.clients.remove_oldest_unused(before=NOW) is True
            assert await store.clients.get(gone.client_id) is None
        assert await store.clients.remove_oldest_unused(before=NOW) is False
        assert len(await store.clients.list_all()) == 4

    async def test_callers_at_once_make_room_for_one_each(self, open_store: StoreOpener) -> None:
        one, other = await open_store(), await open_store()
        for n in range(CALLERS):
            await one.clients.add(a_client(registered_at=NOW - n * SECOND))
        made = [store.clients.remove_oldest_unused(before=NOW - 3 * SECOND) for store in [one, other] * (CALLERS // 2)]
        assert sum(await asyncio.gather(*made)) == CALLERS - 4
        assert len(await one.clients.list_all()) == 4

    async def test_touching_a_client_that_is_not_kept_here_does_nothing(self, open_store: StoreOpener) -> None:
        store = await open_store()
        await store.clients.touch(f"https://app.example/{STRANGE}", now=NOW)
        assert list(await store.clients.list_all()) == []
