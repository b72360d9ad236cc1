"""Registered clients."""

from vestibule.testing.records import a_client, fresh
from vestibule.testing.store_contract.support import STRANGE, StoreOpener, granted, refused


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
