"""Devices that wait for their user. Each step is one conditional UPDATE: whoever changes the row has won."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, select, update

from vestibule.model import DeviceRequest, DeviceState, GrantId, TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.tables import device_requests, grants

SLOWER = 5  # seconds that the interval grows by (RFC 8628 §3.5)


class SqlDeviceRequestStore:
    """Implements `ports.DeviceRequestStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, request: DeviceRequest) -> None:
        row = {name: getattr(request, name) for name in device_requests.c.keys() if name != "tenant"}  # noqa: SIM118
        async with self._database.write() as connection:
            await connection.execute(insert(device_requests).values(row))

    async def get(self, digest: TokenDigest, *, now: datetime) -> DeviceRequest | None:
        return await self._pending(device_requests.c.digest == digest, now)

    async def find(self, user_code: str, *, now: datetime) -> DeviceRequest | None:
        return await self._pending(device_requests.c.user_code == user_code, now)

    async def _pending(self, which: ColumnElement[bool], now: datetime) -> DeviceRequest | None:
        table = device_requests
        query = select(table).where(which, table.c.state == DeviceState.PENDING, table.c.expires_at > now)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _request(row)

    async def poll(self, digest: TokenDigest, *, now: datetime) -> tuple[DeviceRequest, bool] | None:
        table = device_requests
        async with self._database.write() as connection:
            found = await connection.execute(select(table).where(table.c.digest == digest).with_for_update())
            row = found.one_or_none()
            if row is None:
                return None
            too_soon = row.polled_at is not None and now - row.polled_at < timedelta(seconds=row.interval)
            interval = row.interval + SLOWER if too_soon else row.interval
            polled = update(table).where(table.c.digest == digest).values(polled_at=now, interval=interval)
            row = (await connection.execute(polled.returning(table))).one()
        return _request(row), too_soon

    async def approve(self, digest: TokenDigest, grant_id: GrantId, *, now: datetime) -> bool:
        return await self._decide(digest, now, state=DeviceState.APPROVED, grant_id=grant_id)

    async def refuse(self, digest: TokenDigest, *, now: datetime) -> bool:
        return await self._decide(digest, now, state=DeviceState.REFUSED)

    async def _decide(self, digest: TokenDigest, now: datetime, **columns: object) -> bool:
        table = device_requests
        decide = (
            update(table)
            .where(table.c.digest == digest, table.c.state == DeviceState.PENDING, table.c.expires_at > now)
            .values(**columns)
        )
        async with self._database.write() as connection:
            return (await connection.execute(decide)).rowcount == 1

    async def redeem(self, digest: TokenDigest, *, now: datetime) -> DeviceRequest | None:
        table = device_requests
        live = (
            select(grants.c.grant_id)
            .join(table, table.c.grant_id == grants.c.grant_id)
            .where(table.c.digest == digest, grants.c.revoked_at.is_(None))
            .with_for_update(read=True, of=grants)
        )
        take = (
            update(table)
            .where(table.c.digest == digest, table.c.state == DeviceState.APPROVED, table.c.expires_at > now)
            .values(state=DeviceState.REDEEMED)
            .returning(table)
        )
        async with self._database.write() as connection:
            if (await connection.execute(live)).one_or_none() is None:
                return None
            row = (await connection.execute(take)).one_or_none()
        return None if row is None else _request(row)


def _request(row: Row[Any]) -> DeviceRequest:
    return DeviceRequest(
        digest=row.digest,
        user_code=row.user_code,
        client_id=row.client_id,
        scopes=row.scopes,
        resource=row.resource,
        created_at=row.created_at,
        expires_at=row.expires_at,
        interval=row.interval,
        polled_at=row.polled_at,
        state=DeviceState(row.state),
        grant_id=row.grant_id,
    )
