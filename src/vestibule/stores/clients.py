"""Registered clients."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, exists, func, insert, select, update

from vestibule.model import Client, ClientId, ClientOrigin
from vestibule.stores.engine import Database
from vestibule.stores.tables import clients, grants

_IS_UNUSED = and_(clients.c.last_used_at.is_(None), clients.c.origin == ClientOrigin.REGISTERED)
_KEPT = {field.name for field in fields(Client)} & {*clients.c.keys()} - {"tenant"}


class SqlClientStore:
    """Implements `ports.ClientStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, client: Client) -> None:
        async with self._database.write() as connection:
            await connection.execute(insert(clients).values(_row(client)))

    async def remember(self, client: Client) -> None:
        row = _row(client)
        kept = {"client_id", "registered_at", "last_used_at"}
        said = {name: value for name, value in row.items() if name not in kept}
        insert = self._database.insert(clients).values(row)
        async with self._database.write() as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=[clients.c.client_id], set_=said))

    async def get(self, client_id: ClientId) -> Client | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(clients).where(clients.c.client_id == client_id))).one_or_none()
        return None if row is None else _client(row)

    async def list_all(self, *, limit: int = 1000) -> Sequence[Client]:
        query = select(clients).order_by(clients.c.registered_at.desc().nulls_last(), clients.c.client_id).limit(limit)
        async with self._database.read() as connection:
            return [_client(row) for row in await connection.execute(query)]

    async def count_unused(self) -> int:
        query = select(func.count()).select_from(clients).where(_IS_UNUSED)
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def remove_oldest_unused(self, *, before: datetime) -> bool:
        has_grant = exists().where(grants.c.client_id == clients.c.client_id)
        oldest = (
            select(clients.c.client_id)
            .where(_IS_UNUSED, clients.c.registered_at < before, ~has_grant)
            .order_by(clients.c.registered_at)
            .limit(1)
            .with_for_update(skip_locked=True)  # who is just getting its first token, or is another caller's
        )
        remove = delete(clients).where(clients.c.client_id == oldest.scalar_subquery())
        async with self._database.write() as connection:
            return (await connection.execute(remove)).rowcount == 1

    async def touch(self, client_id: ClientId, *, now: datetime) -> None:
        async with self._database.write() as connection:
            await connection.execute(update(clients).where(clients.c.client_id == client_id).values(last_used_at=now))

    async def remove(self, client_id: ClientId) -> bool:
        async with self._database.write() as connection:
            removed = await connection.execute(delete(clients).where(clients.c.client_id == client_id))
        return removed.rowcount == 1


def _row(client: Client) -> dict[str, object]:
    """What only the operator's file may say is not a column."""
    return {field.name: getattr(client, field.name) for field in fields(client) if field.name in _KEPT}


def _client(row: Row[Any]) -> Client:
    return Client(
        client_id=row.client_id,
        origin=ClientOrigin(row.origin),
        redirect_uris=row.redirect_uris,
        name=row.name,
        auth_method=row.auth_method,
        secret_digest=row.secret_digest,
        grant_types=row.grant_types,
        scopes=row.scopes,
        client_uri=row.client_uri,
        logo_uri=row.logo_uri,
        application_type=row.application_type,
        registered_at=row.registered_at,
        last_used_at=row.last_used_at,
        issuer=row.issuer,
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
        needs_pushed_requests=row.needs_pushed_requests,
        needs_dpop=row.needs_dpop,
    )
