"""Who may not come in any more."""

import asyncio

from vestibule.model import BlockKind
from vestibule.testing.records import NOW, a_block, fresh
from vestibule.testing.store_contract.support import CALLERS, SECOND, STRANGE, StoreOpener, unlike


class BlockContract:
    async def test_a_block_is_found_as_it_was_set(self, open_store: StoreOpener) -> None:
        store = await open_store()
        blocks = [
            a_block(),
            a_block(kind=BlockKind.CLIENT, value=f"https://app.example/{unlike(2000)}", reason=""),
            a_block(value=f"work:{STRANGE}", tenant=STRANGE, reason=STRANGE),
        ]
        for block in blocks:
            await store.blocks.add(block)
            assert await store.blocks.find(block.kind, block.tenant, block.value) == block
        listed = await store.blocks.list_all()
        assert [block for block in blocks if block not in listed] == []

    async def test_a_block_blocks_nobody_else(self, open_store: StoreOpener) -> None:
        store, block = await open_store(), a_block(value=fresh("work:some:one"))
        await store.blocks.add(block)
        assert await store.blocks.find(BlockKind.CLIENT, block.tenant, block.value) is None
        assert await store.blocks.find(block.kind, "another", block.value) is None
        for value in ("", block.value + "x", block.value.upper(), block.value[:-1], "%", "\ud800"):
            assert await store.blocks.find(block.kind, block.tenant, value) is None

    async def test_blocking_again_replaces_it(self, open_store: StoreOpener) -> None:
        store, block = await open_store(), a_block()
        again = a_block(value=block.value, blocked_at=NOW + SECOND, reason="again")
        await store.blocks.add(block)
        await store.blocks.add(again)
        assert await store.blocks.find(block.kind, block.tenant, block.value) == again
        assert [found for found in await store.blocks.list_all() if found.value == block.value] == [again]

    async def test_unblocking_is_told_once_and_frees_nobody_else(self, open_store: StoreOpener) -> None:
        store, block = await open_store(), a_block()
        others = [a_block(kind=BlockKind.CLIENT, value=block.value), a_block(tenant="another", value=block.value)]
        for found in (block, *others):
            await store.blocks.add(found)
        assert await store.blocks.remove(block.kind, block.tenant, block.value) is True
        assert await store.blocks.remove(block.kind, block.tenant, block.value) is False
        assert await store.blocks.find(block.kind, block.tenant, block.value) is None
        for found in others:
            assert await store.blocks.find(found.kind, found.tenant, found.value) == found

    async def test_blocking_at_once_leaves_one_of_them(self, open_store: StoreOpener) -> None:
        one, other, value = await open_store(), await open_store(), fresh("work:user")
        blocks = [a_block(value=value, reason=fresh("reason")) for _ in range(CALLERS)]
        await asyncio.gather(*(s.blocks.add(b) for s, b in zip([one, other] * CALLERS, blocks, strict=False)))
        assert await one.blocks.find(blocks[0].kind, blocks[0].tenant, value) in blocks
