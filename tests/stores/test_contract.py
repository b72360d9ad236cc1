"""The promises of `vestibule.ports`, on both databases."""

from collections.abc import AsyncIterator

import pytest

from vestibule.stores import SqlStore, open_store
from vestibule.testing.store_contract import StoreContract, StoreOpener


class TestSqlStore(StoreContract):
    @pytest.fixture
    async def open_store(self, address: str) -> AsyncIterator[StoreOpener]:
        opened: list[SqlStore] = []

        async def opener() -> SqlStore:
            opened.append(await open_store(address))
            return opened[-1]

        yield opener
        for store in opened:
            await store.close()
