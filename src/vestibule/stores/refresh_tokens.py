"""Refresh tokens, by the digest of the token. A family is all the tokens of one grant."""

from datetime import datetime

from sqlalchemy import insert, select, update

from vestibule.model import RefreshToken, TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.grants import live_grant_of
from vestibule.stores.tables import grants, refresh_tokens


class SqlRefreshTokenStore:
    """Implements `ports.RefreshTokenStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: RefreshToken) -> None:
        async with self._database.write() as connection:
            await connection.execute(insert(refresh_tokens).values(_row(token)))

    async def find(self, digest: TokenDigest) -> RefreshToken | None:
        query = select(refresh_tokens).where(refresh_tokens.c.digest == digest)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return RefreshToken(
            digest=row.digest,
            grant_id=row.grant_id,
            client_id=row.client_id,
            expires_at=row.expires_at,
            spent_at=row.spent_at,
            successor_digest=row.successor_digest,
            sealed_successor=row.sealed_successor,
            key_thumbprint=row.key_thumbprint,
        )

    async def rotate(
        self, digest: TokenDigest, successor: RefreshToken, sealed_successor: bytes, *, now: datetime
    ) -> bool:
        tokens = refresh_tokens
        spend = (
            update(tokens)
            .where(tokens.c.digest == digest, tokens.c.spent_at.is_(None), tokens.c.expires_at > now)
            .values(spent_at=now, successor_digest=successor.digest, sealed_successor=sealed_successor)
        )
        async with self._database.write() as connection:
            grant = (await connection.execute(live_grant_of(tokens, digest, alone=True))).one_or_none()
            if grant is None:
                return False
            if successor.grant_id != grant.grant_id:
                raise ValueError("a successor is of its predecessor's family")
            if (await connection.execute(spend)).rowcount != 1:
                return False
            await connection.execute(insert(tokens).values(_row(successor)))
            used = update(grants).where(grants.c.grant_id == grant.grant_id).values(last_used_at=now)
            await connection.execute(used)
        return True


def _row(token: RefreshToken) -> dict[str, object]:
    return {
        "digest": token.digest,
        "tenant": select(grants.c.tenant).where(grants.c.grant_id == token.grant_id).scalar_subquery(),
        "grant_id": token.grant_id,
        "client_id": token.client_id,
        "expires_at": token.expires_at,
        "spent_at": token.spent_at,
        "successor_digest": token.successor_digest,
        "sealed_successor": token.sealed_successor,
        "key_thumbprint": token.key_thumbprint,
    }
