"""Browsers that are signed in with us."""

from datetime import datetime

from sqlalchemy import delete, insert, select

from vestibule.model import Session, TenantId, TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.identities import identity_of, identity_row, is_of
from vestibule.stores.tables import sessions
from vestibule.stores.tenants import keep_open


class SqlSessionStore:
    """Implements `ports.SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session) -> None:
        row = {
            "digest": session.digest,
            "tenant": session.tenant,
            **identity_row(session.identity),
            "signed_in_at": session.signed_in_at,
            "expires_at": session.expires_at,
            "tokens_id": session.tokens_id,
        }
        async with self._database.write() as connection:
            await keep_open(connection, self._database, session.tenant)
            await connection.execute(insert(sessions).values(row))

    async def get(self, digest: TokenDigest, *, now: datetime) -> Session | None:
        query = select(sessions).where(sessions.c.digest == digest, sessions.c.expires_at > now)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Session(
            digest=row.digest,
            identity=identity_of(row),
            tenant=row.tenant,
            signed_in_at=row.signed_in_at,
            expires_at=row.expires_at,
            tokens_id=row.tokens_id,
        )

    async def remove(self, digest: TokenDigest) -> bool:
        async with self._database.write() as connection:
            removed = await connection.execute(delete(sessions).where(sessions.c.digest == digest))
        return removed.rowcount == 1

    async def remove_of(self, tenant: TenantId, user: str) -> int:
        async with self._database.write() as connection:
            removed = await connection.execute(
                delete(sessions).where(sessions.c.tenant == tenant, is_of(sessions, user))
            )
        return removed.rowcount
