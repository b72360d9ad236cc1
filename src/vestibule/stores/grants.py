"""Grants, and what proves them: codes and refresh tokens; and the feed of what has been revoked.

`redeem` and `rotate` lock the grant's row first (PostgreSQL; SQLite has one writer anyway), so that a revocation comes
wholly before them or wholly after.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from vestibule.model import (
    AuthorizationCode,
    Grant,
    GrantId,
    RefreshToken,
    Revocation,
    RevocationKind,
    TokenDigest,
)
from vestibule.stores import tables
from vestibule.stores.database import Database
from vestibule.stores.values import (
    from_micros,
    from_micros_or_none,
    to_identity,
    to_identity_json,
    to_json,
    to_micros,
    to_strings,
)

_grants = tables.grants
_codes = tables.codes
_tokens = tables.refresh_tokens
_revocations = tables.revocations


class SqlGrantStore:
    """Implements `ports.GrantStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, grant: Grant) -> None:
        row = {
            "grant_id": grant.grant_id,
            "tenant": grant.tenant,
            "identity": to_identity_json(grant.identity),
            "client_id": grant.client_id,
            "scopes": to_json(grant.scopes),
            "resource": grant.resource,
            "created_at": to_micros(grant.created_at),
        }
        async with self._database.write() as connection:
            await connection.execute(insert(_grants).values(row))

    async def get(self, grant_id: GrantId) -> Grant | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(_grants).where(_grants.c.grant_id == grant_id))).one_or_none()
        return None if row is None else _grant(row)

    async def list_live(self, *, limit: int = 1000) -> Sequence[Grant]:
        query = select(_grants).where(_grants.c.revoked_at.is_(None)).order_by(_grants.c.created_at).limit(limit)
        async with self._database.read() as connection:
            return [_grant(row) for row in await connection.execute(query)]

    async def revoke(self, grant_id: GrantId, *, now: datetime, tokens_expire_at: datetime) -> bool:
        revoke = (
            update(_grants)
            .where(_grants.c.grant_id == grant_id, _grants.c.revoked_at.is_(None))
            .values(revoked_at=to_micros(now))
        )
        async with self._database.write() as connection:
            if (await connection.execute(revoke)).rowcount != 1:
                return False
            await _announce(connection, Revocation(RevocationKind.GRANT, grant_id, now, tokens_expire_at))
            return True


class SqlCodeStore:
    """Implements `ports.CodeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, code: AuthorizationCode) -> None:
        row = {
            "digest": code.digest,
            "grant_id": code.grant_id,
            "client_id": code.client_id,
            "redirect_uri": code.redirect_uri,
            "redirect_uri_given": code.redirect_uri_given,
            "code_challenge": code.code_challenge,
            "scopes": to_json(code.scopes),
            "resource": code.resource,
            "expires_at": to_micros(code.expires_at),
        }
        async with self._database.write() as connection:
            await connection.execute(insert(_codes).values(row))

    async def get(self, digest: TokenDigest) -> AuthorizationCode | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(_codes).where(_codes.c.digest == digest))).one_or_none()
        return None if row is None else _code(row)

    async def redeem(self, digest: TokenDigest, *, now: datetime) -> AuthorizationCode | None:
        take = (
            update(_codes)
            .where(_codes.c.digest == digest, _codes.c.redeemed_at.is_(None), _codes.c.expires_at > to_micros(now))
            .values(redeemed_at=to_micros(now))
            .returning(*_codes.c)
        )
        async with self._database.write() as connection:
            grant_id = await connection.scalar(select(_codes.c.grant_id).where(_codes.c.digest == digest))
            if grant_id is None or not await _is_live(connection, grant_id):
                return None
            row = (await connection.execute(take)).one_or_none()
        return None if row is None else _code(row)


class SqlRefreshTokenStore:
    """Implements `ports.RefreshTokenStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: RefreshToken) -> None:
        async with self._database.write() as connection:
            await connection.execute(insert(_tokens).values(_token_row(token)))

    async def find(self, digest: TokenDigest) -> RefreshToken | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(_tokens).where(_tokens.c.digest == digest))).one_or_none()
        if row is None:
            return None
        return RefreshToken(
            digest=row.digest,
            grant_id=row.grant_id,
            client_id=row.client_id,
            expires_at=from_micros(row.expires_at),
            spent_at=from_micros_or_none(row.spent_at),
            successor_digest=row.successor_digest,
            sealed_successor=row.sealed_successor,
        )

    async def rotate(
        self, digest: TokenDigest, successor: RefreshToken, sealed_successor: bytes, *, now: datetime
    ) -> bool:
        spend = (
            update(_tokens)
            .where(_tokens.c.digest == digest, _tokens.c.spent_at.is_(None), _tokens.c.expires_at > to_micros(now))
            .values(spent_at=to_micros(now), successor_digest=successor.digest, sealed_successor=sealed_successor)
        )
        async with self._database.write() as connection:
            if not await _is_live(connection, successor.grant_id):
                return False
            if (await connection.execute(spend)).rowcount != 1:
                return False
            await connection.execute(insert(_tokens).values(_token_row(successor)))
            return True


class SqlRevocationFeed:
    """Implements `ports.RevocationFeed`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(self, revocation: Revocation) -> None:
        async with self._database.write() as connection:
            await _announce(connection, revocation)

    async def since(self, moment: datetime, *, now: datetime) -> Sequence[Revocation]:
        query = select(_revocations).where(
            _revocations.c.revoked_at >= to_micros(moment), _revocations.c.expires_at > to_micros(now)
        )
        async with self._database.read() as connection:
            return [
                Revocation(
                    RevocationKind(row.kind), row.value, from_micros(row.revoked_at), from_micros(row.expires_at)
                )
                for row in await connection.execute(query)
            ]


async def _is_live(connection: AsyncConnection, grant_id: GrantId) -> bool:
    query = select(_grants.c.revoked_at).where(_grants.c.grant_id == grant_id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    return row is not None and row.revoked_at is None


async def _announce(connection: AsyncConnection, revocation: Revocation) -> None:
    known = select(_revocations.c.value).where(
        _revocations.c.kind == revocation.kind.value, _revocations.c.value == revocation.value
    )
    if (await connection.execute(known)).one_or_none() is None:
        row = {
            "kind": revocation.kind.value,
            "value": revocation.value,
            "revoked_at": to_micros(revocation.revoked_at),
            "expires_at": to_micros(revocation.expires_at),
        }
        await connection.execute(insert(_revocations).values(row))


def _token_row(token: RefreshToken) -> dict[str, object]:
    return {
        "digest": token.digest,
        "grant_id": token.grant_id,
        "client_id": token.client_id,
        "expires_at": to_micros(token.expires_at),
    }


def _grant(row: Row[tuple[object, ...]]) -> Grant:
    return Grant(
        grant_id=row.grant_id,
        tenant=row.tenant,
        identity=to_identity(row.identity),
        client_id=row.client_id,
        scopes=to_strings(row.scopes),
        resource=row.resource,
        created_at=from_micros(row.created_at),
        revoked_at=from_micros_or_none(row.revoked_at),
    )


def _code(row: Row[tuple[object, ...]]) -> AuthorizationCode:
    return AuthorizationCode(
        digest=row.digest,
        grant_id=row.grant_id,
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        redirect_uri_given=row.redirect_uri_given,
        code_challenge=row.code_challenge,
        scopes=to_strings(row.scopes),
        resource=row.resource,
        expires_at=from_micros(row.expires_at),
        redeemed_at=from_micros_or_none(row.redeemed_at),
    )
