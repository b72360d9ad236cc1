"""Grants, and what it takes to use one while somebody may be revoking it.

Whoever redeems a code or rotates a refresh token locks the grant's row first, shared; revoking locks it alone. So a
revocation comes wholly before a redemption, which then fails, or wholly after it, and then ends what it gave. (SQLite
has one writer anyway.) Everybody takes the grant's lock before any other, and locks of several grants in the order of
their ids, so nobody waits in a circle. Adding a grant locks the provider's tokens that it names: see `kept_tokens`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Row, Select, Table, and_, insert, select, update

from vestibule.model import Grant, GrantId, Revocation, RevocationKind, TenantId, TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.identities import identity_of, identity_row, is_of
from vestibule.stores.kept_tokens import kept_for_a_grant
from vestibule.stores.revocations import announcement
from vestibule.stores.tables import grants
from vestibule.stores.tenants import keep_open


class SqlGrantStore:
    """Implements `ports.GrantStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, grant: Grant) -> None:
        row: dict[str, object] = {
            "grant_id": grant.grant_id,
            "tenant": grant.tenant,
            **identity_row(grant.identity),
            "client_id": grant.client_id,
            "scopes": grant.scopes,
            "resource": grant.resource,
            "created_at": grant.created_at,
            "revoked_at": grant.revoked_at,
            "expires_at": grant.expires_at,
            "last_used_at": grant.last_used_at,
        }
        async with self._database.write() as connection:
            await keep_open(connection, self._database, grant.tenant)
            if grant.tokens_id:
                row["tokens_id"] = (await connection.execute(kept_for_a_grant(grant.tokens_id))).scalar() or ""
            await connection.execute(insert(grants).values(row))

    async def get(self, grant_id: GrantId) -> Grant | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(grants).where(grants.c.grant_id == grant_id))).one_or_none()
        return None if row is None else _grant(row)

    async def list_live(
        self,
        *,
        tenant: TenantId | None = None,
        user: str = "",
        client_id: str = "",
        resource: str = "",
        limit: int = 1000,
    ) -> Sequence[Grant]:
        query = select(grants).where(grants.c.revoked_at.is_(None))
        if tenant is not None:
            query = query.where(grants.c.tenant == tenant)
        if user:
            query = query.where(is_of(grants, user))
        if client_id:
            query = query.where(grants.c.client_id == client_id)
        if resource:
            query = query.where(grants.c.resource == resource)
        query = query.order_by(grants.c.created_at.desc(), grants.c.grant_id).limit(limit)
        async with self._database.read() as connection:
            return [_grant(row) for row in await connection.execute(query)]

    async def revoke(self, grant_id: GrantId, *, now: datetime, tokens_expire_at: datetime) -> bool:
        revoke = (
            update(grants)
            .where(grants.c.grant_id == grant_id, grants.c.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(grants.c.tenant)
        )
        revocation = Revocation(RevocationKind.GRANT, grant_id, revoked_at=now, expires_at=tokens_expire_at)
        async with self._database.write() as connection:
            row = (await connection.execute(revoke)).one_or_none()
            if row is not None:
                await connection.execute(announcement(self._database, replace(revocation, tenant=row.tenant)))
        return row is not None

    async def revoke_all(self, revocation: Revocation) -> Sequence[Grant]:
        whose = {
            RevocationKind.USER: lambda: and_(grants.c.tenant == revocation.tenant, is_of(grants, revocation.value)),
            RevocationKind.CLIENT: lambda: grants.c.client_id == revocation.value,
            RevocationKind.TENANT: lambda: grants.c.tenant == revocation.value,
        }[revocation.kind]()
        live = and_(whose, grants.c.revoked_at.is_(None))
        lock = select(grants.c.grant_id).where(live).order_by(grants.c.grant_id).with_for_update()
        revoke = update(grants).where(live).values(revoked_at=revocation.revoked_at).returning(grants)
        async with self._database.write() as connection:
            await connection.execute(lock)
            revoked = [_grant(row) for row in await connection.execute(revoke)]
            # Each by its id, too: what was issued "until then" is a matter of clocks, and those of replicas differ.
            for grant in revoked:
                one = replace(revocation, kind=RevocationKind.GRANT, value=grant.grant_id, tenant=grant.tenant)
                await connection.execute(announcement(self._database, one))
            await connection.execute(announcement(self._database, revocation))
        return revoked


def live_grant_of(table: Table, digest: TokenDigest, *, alone: bool = False) -> Select[tuple[str, str]]:
    """The id and tenant of the live grant behind a code or a refresh token, locked until the transaction ends.

    `alone`: for whoever will write it. Two who share the lock and then both want to write wait for each other for ever.
    """
    grant_id: Column[str] = table.c.grant_id
    return (
        select(grants.c.grant_id, grants.c.tenant)
        .join(table, grant_id == grants.c.grant_id)
        .where(table.c.digest == digest, grants.c.revoked_at.is_(None))
        .with_for_update(read=not alone, of=grants)
    )


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        grant_id=row.grant_id,
        tenant=row.tenant,
        identity=identity_of(row),
        client_id=row.client_id,
        scopes=row.scopes,
        resource=row.resource,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        tokens_id=row.tokens_id,
    )
