"""Pushed authorization requests, by the digest of the random part of their request_uri."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert

from vestibule.model import PushedRequest, TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.tables import pushed_requests


class SqlPushedRequestStore:
    """Implements `ports.PushedRequestStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, request: PushedRequest) -> None:
        row = {
            "digest": request.digest,
            "client_id": request.client_id,
            "sealed_parameters": request.sealed_parameters,
            "expires_at": request.expires_at,
        }
        async with self._database.write() as connection:
            await connection.execute(insert(pushed_requests).values(row))

    async def take(self, digest: TokenDigest, *, now: datetime) -> PushedRequest | None:
        table = pushed_requests
        take = delete(table).where(table.c.digest == digest, table.c.expires_at > now).returning(table)
        async with self._database.write() as connection:
            row = (await connection.execute(take)).one_or_none()
        return None if row is None else _request(row)


def _request(row: Row[Any]) -> PushedRequest:
    return PushedRequest(
        digest=row.digest,
        client_id=row.client_id,
        sealed_parameters=row.sealed_parameters,
        expires_at=row.expires_at,
    )
