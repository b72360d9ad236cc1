"""The store as one object: a store a noun, over one database."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import text

from vestibule.ports import Authenticator
from vestibule.stores.api_keys import SqlApiKeyStore
from vestibule.stores.audit import SqlAuditStore
from vestibule.stores.audit_heads import NoKeys
from vestibule.stores.blocks import SqlBlockStore
from vestibule.stores.clients import SqlClientStore
from vestibule.stores.codes import SqlCodeStore
from vestibule.stores.consents import SqlConsentStore
from vestibule.stores.device_requests import SqlDeviceRequestStore
from vestibule.stores.engine import Database
from vestibule.stores.grants import SqlGrantStore
from vestibule.stores.housekeeping import SqlHousekeeping
from vestibule.stores.kept_tokens import SqlKeptTokenStore
from vestibule.stores.key_checks import bind_keys
from vestibule.stores.one_time import SqlOneTimeStore
from vestibule.stores.pushed_requests import SqlPushedRequestStore
from vestibule.stores.refresh_tokens import SqlRefreshTokenStore
from vestibule.stores.requests import SqlAuthorizationRequestStore
from vestibule.stores.revocations import SqlRevocationFeed
from vestibule.stores.sessions import SqlSessionStore
from vestibule.stores.tenants import SqlTenantStore

_PING_TIMEOUT = 2.0  # seconds: who asks wants to know now


class SqlStore:
    """Implements `ports.Store`. `open_store` makes it."""

    def __init__(
        self, database: Database, temporary_folder: Path | None = None, authenticator: Authenticator | None = None
    ) -> None:
        """`temporary_folder`: goes when the store is closed. `authenticator` tags the heads of the trail."""
        self._database = database
        self._temporary_folder = temporary_folder
        self.clients = SqlClientStore(database)
        self.requests = SqlAuthorizationRequestStore(database)
        self.pushed_requests = SqlPushedRequestStore(database)
        self.device_requests = SqlDeviceRequestStore(database)
        self.one_time = SqlOneTimeStore(database)
        self.kept_tokens = SqlKeptTokenStore(database)
        self.blocks = SqlBlockStore(database)
        self.consents = SqlConsentStore(database)
        self.sessions = SqlSessionStore(database)
        self.grants = SqlGrantStore(database)
        self.codes = SqlCodeStore(database)
        self.refresh_tokens = SqlRefreshTokenStore(database)
        self.api_keys = SqlApiKeyStore(database)
        self.tenants = SqlTenantStore(database)
        self.revocations = SqlRevocationFeed(database)
        self.audit = SqlAuditStore(database, authenticator or NoKeys())
        self.housekeeping = SqlHousekeeping(database)

    @property
    def temporary_file(self) -> str:
        """Where a temporary store is; empty for one that stays."""
        return "" if self._temporary_folder is None else str(self._temporary_folder / "store.db")

    async def ping(self) -> None:
        async with self._database.read(limit=_PING_TIMEOUT) as connection:
            await connection.execute(text("SELECT 1"))

    async def bind_keys(self, check: Mapping[str, bytes]) -> bool:
        return await bind_keys(self._database, check)

    async def close(self) -> None:
        await self._database.close()
        if self._temporary_folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._temporary_folder, ignore_errors=True)
