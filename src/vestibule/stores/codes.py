"""Authorization codes, by the digest of the code."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from vestibule.model import AuthorizationCode, TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.grants import live_grant_of
from vestibule.stores.tables import codes, grants


class SqlCodeStore:
    """Implements `ports.CodeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, code: AuthorizationCode) -> None:
        row = {
            "digest": code.digest,
            "tenant": select(grants.c.tenant).where(grants.c.grant_id == code.grant_id).scalar_subquery(),
            "grant_id": code.grant_id,
            "client_id": code.client_id,
            "redirect_uri": code.redirect_uri,
            "redirect_uri_given": code.redirect_uri_given,
            "code_challenge": code.code_challenge,
            "scopes": code.scopes,
            "resource": code.resource,
            "expires_at": code.expires_at,
            "redeemed_at": code.redeemed_at,
            "key_thumbprint": code.key_thumbprint,
        }
        async with self._database.write() as connection:
            await connection.execute(insert(codes).values(row))

    async def get(self, digest: TokenDigest) -> AuthorizationCode | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(codes).where(codes.c.digest == digest))).one_or_none()
        return None if row is None else _code(row)

    async def redeem(self, digest: TokenDigest, *, now: datetime) -> AuthorizationCode | None:
        take = (
            update(codes)
            .where(codes.c.digest == digest, codes.c.redeemed_at.is_(None), codes.c.expires_at > now)
            .values(redeemed_at=now)
            .returning(codes)
        )
        async with self._database.write() as connection:
            if (await connection.execute(live_grant_of(codes, digest))).one_or_none() is None:
                return None
            row = (await connection.execute(take)).one_or_none()
        return None if row is None else _code(row)


def _code(row: Row[Any]) -> AuthorizationCode:
    return AuthorizationCode(
        digest=row.digest,
        grant_id=row.grant_id,
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        redirect_uri_given=row.redirect_uri_given,
        code_challenge=row.code_challenge,
        scopes=row.scopes,
        resource=row.resource,
        expires_at=row.expires_at,
        redeemed_at=row.redeemed_at,
        key_thumbprint=row.key_thumbprint,
    )
