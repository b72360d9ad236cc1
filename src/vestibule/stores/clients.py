"""Registered clients."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, delete, insert, select

from vestibule.model import Client, ClientId, ClientOrigin
from vestibule.stores.engine import Database
from vestibule.stores.tables import clients


class SqlClientStore:
    """Implements `ports.ClientStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, client: Client) -> None:
        async with self._database.write() as connection:
            await connection.execute(insert(clients).values(asdict(client)))

    async def get(self, client_id: ClientId) -> Client | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(clients).where(clients.c.client_id == client_id))).one_or_none()
        return None if row is None else _client(row)

    async def remove(self, client_id: ClientId) -> bool:
        async with self._database.write() as connection:
            removed = await connection.execute(delete(clients).where(clients.c.client_id == client_id))
        return removed.rowcount == 1


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
    )
