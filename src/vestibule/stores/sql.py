"""The store as one object: the noun stores over one database."""

from collections.abc import Mapping

from sqlalchemy import insert, select, text

from vestibule.stores import tables
from vestibule.stores.audit import SqlAuditLog
from vestibule.stores.clients import SqlClientStore
from vestibule.stores.database import Database
from vestibule.stores.grants import SqlCodeStore, SqlGrantStore, SqlRefreshTokenStore, SqlRevocationFeed
from vestibule.stores.housekeeping import SqlHousekeeping
from vestibule.stores.people import SqlConsentStore, SqlSessionStore
from vestibule.stores.requests import SqlAuthorizationRequestStore


class SqlStore:
    """Implements `ports.Store`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.clients = SqlClientStore(database)
        self.requests = SqlAuthorizationRequestStore(database)
        self.consents = SqlConsentStore(database)
        self.sessions = SqlSessionStore(database)
        self.grants = SqlGrantStore(database)
        self.codes = SqlCodeStore(database)
        self.refresh_tokens = SqlRefreshTokenStore(database)
        self.revocations = SqlRevocationFeed(database)
        self.audit = SqlAuditLog(database)
        self.housekeeping = SqlHousekeeping(database)

    async def ping(self) -> None:
        async with self._database.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def bind_keys(self, check: Mapping[str, bytes]) -> bool:
        checks = tables.key_checks
        async with self._database.write() as connection:
            rows = (await connection.execute(select(checks.c.kid, checks.c.check_value))).all()
            known = {row.kid: bytes(row.check_value) for row in rows}
            if known and not known.keys() & check.keys():
                return False
            if any(known.get(kid, value) != value for kid, value in check.items()):
                return False
            for kid in check.keys() - known.keys():
                await connection.execute(insert(checks).values(kid=kid, check_value=check[kid]))
        return True

    async def close(self) -> None:
        await self._database.close()
