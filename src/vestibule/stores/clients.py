"""Registered clients."""

from typing import cast

from sqlalchemy import Row, delete, insert, select

from vestibule.model import AuthMethod, Client, ClientId, ClientOrigin
from vestibule.stores import tables
from vestibule.stores.database import Database
from vestibule.stores.values import from_micros, to_json, to_micros, to_strings

_clients = tables.clients


class SqlClientStore:
    """Implements `ports.ClientStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, client: Client) -> None:
        if client.registered_at is None:
            raise ValueError("a registered client has a date of registration")
        row = {
            "client_id": client.client_id,
            "name": client.name,
            "redirect_uris": to_json(client.redirect_uris),
            "auth_method": client.auth_method,
            "secret_digest": client.secret_digest,
            "grant_types": to_json(client.grant_types),
            "scopes": to_json(client.scopes),
            "client_uri": client.client_uri,
            "logo_uri": client.logo_uri,
            "application_type": client.application_type,
            "registered_at": to_micros(client.registered_at),
        }
        async with self._database.write() as connection:
            await connection.execute(insert(_clients).values(row))

    async def get(self, client_id: ClientId) -> Client | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(_clients).where(_clients.c.client_id == client_id))).one_or_none()
        return None if row is None else _client(row)

    async def remove(self, client_id: ClientId) -> bool:
        async with self._database.write() as connection:
            return (await connection.execute(delete(_clients).where(_clients.c.client_id == client_id))).rowcount == 1


def _client(row: Row[tuple[object, ...]]) -> Client:
    return Client(
        client_id=row.client_id,
        origin=ClientOrigin.REGISTERED,
        redirect_uris=to_strings(row.redirect_uris),
        name=row.name,
        auth_method=cast("AuthMethod", row.auth_method),
        secret_digest=row.secret_digest,
        grant_types=to_strings(row.grant_types),
        scopes=to_strings(row.scopes),
        client_uri=row.client_uri,
        logo_uri=row.logo_uri,
        application_type="native" if row.application_type == "native" else "web",
        registered_at=from_micros(row.registered_at),
    )
