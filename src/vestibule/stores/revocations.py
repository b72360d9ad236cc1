"""The feed of what must stop working everywhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, select
from sqlalchemy.dialects.sqlite import Insert

from vestibule.model import Revocation, RevocationKind
from vestibule.stores.engine import Database
from vestibule.stores.tables import revocations


class SqlRevocationFeed:
    """Implements `ports.RevocationFeed`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(self, revocation: Revocation) -> None:
        async with self._database.write() as connection:
            await connection.execute(announcement(self._database, revocation))

    async def news(self, position: int, *, now: datetime) -> tuple[Sequence[Revocation], int]:
        query = (
            select(revocations)
            .where(revocations.c.announced_at >= position, revocations.c.expires_at > now)
            .order_by(revocations.c.announced_at)
        )
        async with self._database.read() as connection:
            next_position = (await connection.execute(select(self._database.clock))).scalar_one()  # first: misses none
            rows = await connection.execute(query)
            found = [_revocation(row) for row in rows]
        return found, next_position


def announcement(database: Database, revocation: Revocation) -> Insert:
    """The statement that announces. Said again, it moves to the end of the feed and never ends earlier."""
    insert = database.insert(revocations).values(
        kind=revocation.kind,
        value=revocation.value,
        tenant=revocation.tenant,
        revoked_at=revocation.revoked_at,
        expires_at=revocation.expires_at,
        announced_at=database.clock,
    )
    known, said = revocations.c, insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[known.kind, known.value, known.tenant],
        set_={
            "announced_at": database.clock,
            "revoked_at": case((said.revoked_at > known.revoked_at, said.revoked_at), else_=known.revoked_at),
            "expires_at": case((said.expires_at > known.expires_at, said.expires_at), else_=known.expires_at),
        },
    )


def _revocation(row: Row[Any]) -> Revocation:
    return Revocation(RevocationKind(row.kind), row.value, row.revoked_at, row.expires_at, row.tenant)
