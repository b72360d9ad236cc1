"""API keys, by their digests."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from vestibule.model import ApiKey, Revocation, TenantId, TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.revocations import announcement
from vestibule.stores.tables import api_keys
from vestibule.stores.tenants import keep_open

_NAMES = tuple(field.name for field in fields(ApiKey))


class SqlApiKeyStore:
    """Implements `ports.ApiKeyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> None:
        row = {name: getattr(key, name) for name in _NAMES}
        try:
            async with self._database.write() as connection:
                await keep_open(connection, self._database, key.tenant)
                await connection.execute(insert(api_keys).values(row))
        except IntegrityError as error:
            raise ValueError("there is such a key already") from error

    async def find(self, digest: TokenDigest) -> ApiKey | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(api_keys).where(api_keys.c.digest == digest))).one_or_none()
        return None if row is None else _api_key(row)

    async def get(self, key_id: str, *, tenant: TenantId | None = None) -> ApiKey | None:
        query = select(api_keys).where(api_keys.c.key_id == key_id)
        if tenant is not None:
            query = query.where(api_keys.c.tenant == tenant)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _api_key(row)

    async def list_of(self, tenant: TenantId | None = None) -> Sequence[ApiKey]:
        query = select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.key_id)
        if tenant is not None:
            query = query.where(api_keys.c.tenant == tenant)
        async with self._database.read() as connection:
            return [_api_key(row) for row in await connection.execute(query)]

    async def revoke(self, key_id: str, revocation: Revocation, *, tenant: TenantId | None = None) -> bool:
        mark = (
            update(api_keys)
            .where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=revocation.revoked_at)
        )
        if tenant is not None:
            mark = mark.where(api_keys.c.tenant == tenant)
        async with self._database.write() as connection:
            is_ours = (await connection.execute(mark)).rowcount == 1
            if is_ours:
                await connection.execute(announcement(self._database, revocation))
        return is_ours

    async def touch(self, key_id: str, *, now: datetime) -> None:
        async with self._database.write() as connection:
            await connection.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(last_used_at=now))


def _api_key(row: Row[Any]) -> ApiKey:
    return ApiKey(**{name: getattr(row, name) for name in _NAMES})
