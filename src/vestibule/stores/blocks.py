"""Who may not come in any more."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, select

from vestibule.model import Block, BlockKind, TenantId
from vestibule.stores.engine import Database
from vestibule.stores.tables import blocks


class SqlBlockStore:
    """Implements `ports.BlockStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, block: Block) -> None:
        said: dict[str, object] = {"blocked_at": block.blocked_at, "reason": block.reason}
        key = (blocks.c.kind, blocks.c.tenant, blocks.c.value)
        insert = self._database.insert(blocks).values(kind=block.kind, tenant=block.tenant, value=block.value, **said)
        async with self._database.write() as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=list(key), set_=said))

    async def find(self, kind: BlockKind, tenant: TenantId, value: str) -> Block | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(blocks).where(_is(kind, tenant, value)))).one_or_none()
        return None if row is None else Block(BlockKind(row.kind), row.value, row.tenant, row.blocked_at, row.reason)

    async def remove(self, kind: BlockKind, tenant: TenantId, value: str) -> bool:
        async with self._database.write() as connection:
            return (await connection.execute(delete(blocks).where(_is(kind, tenant, value)))).rowcount == 1

    async def list_all(self) -> Sequence[Block]:
        async with self._database.read() as connection:
            rows = await connection.execute(select(blocks).order_by(blocks.c.blocked_at))
            return [Block(BlockKind(row.kind), row.value, row.tenant, row.blocked_at, row.reason) for row in rows]


def _is(kind: BlockKind, tenant: TenantId, value: str) -> ColumnElement[bool]:
    return and_(blocks.c.kind == kind, blocks.c.tenant == tenant, blocks.c.value == value)
