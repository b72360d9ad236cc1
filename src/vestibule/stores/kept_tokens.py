"""Identity providers' tokens, sealed before they come here.

One refresh at a time, over all replicas: whoever holds the lease may ask the provider, and writes the next version.
A lease ends by itself, so that a replica that dies while it asks keeps nobody waiting for long.

A new grant that names kept tokens locks their row first, shared; who would delete them locks it alone and only then
looks for grants (in a statement of its own, which sees what was written before the lock was given). So either the
grant is seen and its tokens stay, or they are gone and the grant is kept without them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, exists, func, insert, or_, select, update

from vestibule.model import KeptTokens, TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.tables import grants, kept_tokens, sessions
from vestibule.stores.tenants import keep_open


class SqlKeptTokenStore:
    """Implements `ports.KeptTokenStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, kept: KeptTokens) -> None:
        row = {
            "tokens_id": kept.tokens_id,
            "tenant": kept.tenant,
            "user_id": kept.user,
            "sealed": kept.sealed,
            "kept_at": kept.kept_at,
            "version": kept.version,
        }
        async with self._database.write() as connection:
            await keep_open(connection, self._database, kept.tenant)
            await connection.execute(insert(kept_tokens).values(row))

    async def get(self, tokens_id: str) -> KeptTokens | None:
        query = select(kept_tokens).where(kept_tokens.c.tokens_id == tokens_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _kept(row)

    async def replace(self, kept: KeptTokens, sealed: TokenDigest) -> bool:
        table = kept_tokens
        write = (
            update(table)
            .where(table.c.tokens_id == kept.tokens_id, table.c.version == kept.version)
            .values(sealed=sealed, version=kept.version + 1, leased_until=None)
        )
        async with self._database.write() as connection:
            return (await connection.execute(write)).rowcount == 1

    async def lease(self, tokens_id: str, *, now: datetime, until: datetime) -> bool:
        table = kept_tokens
        free = or_(table.c.leased_until.is_(None), table.c.leased_until <= now)
        lease = update(table).where(table.c.tokens_id == tokens_id, free).values(leased_until=until)
        async with self._database.write() as connection:
            return (await connection.execute(lease)).rowcount == 1

    async def release(self, tokens_id: str) -> None:
        release = update(kept_tokens).where(kept_tokens.c.tokens_id == tokens_id).values(leased_until=None)
        async with self._database.write() as connection:
            await connection.execute(release)

    async def drop_unused(self, tokens_id: str, *, now: datetime) -> KeptTokens | None:
        table = kept_tokens
        lock = select(table.c.tokens_id).where(table.c.tokens_id == tokens_id).with_for_update()
        drop = delete(table).where(table.c.tokens_id == tokens_id, ~_is_needed(tokens_id, now)).returning(table)
        async with self._database.write() as connection:
            await connection.execute(lock)
            row = (await connection.execute(drop)).one_or_none()
        return None if row is None else _kept(row)

    async def sealed_otherwise(self, prefix: bytes, *, limit: int = 100) -> Sequence[KeptTokens]:
        table = kept_tokens
        query = select(table).where(func.substr(table.c.sealed, 1, len(prefix)).is_distinct_from(prefix))
        query = query.order_by(table.c.kept_at, table.c.tokens_id).limit(limit)
        async with self._database.read() as connection:
            return [_kept(row) for row in await connection.execute(query)]


def kept_for_a_grant(tokens_id: str) -> Select[tuple[str]]:
    """Its own id when it is there; then it stays until the transaction ends."""
    return (
        select(kept_tokens.c.tokens_id)
        .where(kept_tokens.c.tokens_id == tokens_id)
        .with_for_update(read=True, key_share=True)
    )


def _is_needed(tokens_id: str, now: datetime) -> ColumnElement[bool]:
    """By a grant or a session that is alive."""
    alive = or_(grants.c.expires_at.is_(None), grants.c.expires_at > now)
    return or_(
        exists().where(grants.c.tokens_id == tokens_id, grants.c.revoked_at.is_(None), alive),
        exists().where(sessions.c.tokens_id == tokens_id, sessions.c.expires_at > now),
    )


def _kept(row: Row[Any]) -> KeptTokens:
    return KeptTokens(
        tokens_id=row.tokens_id,
        tenant=row.tenant,
        user=row.user_id,
        sealed=row.sealed,
        kept_at=row.kept_at,
        version=row.version,
    )
