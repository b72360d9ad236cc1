"""The rooms of the tenants' own data: schemas where the store is PostgreSQL, files where it is SQLite."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from vestibule.model import TenantId
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.address import is_temporary, read_address
from vestibule.stores.engine import POOL_SIZE, WORK_TIMEOUT
from vestibule.stores.tenant_files import TenantFiles
from vestibule.stores.tenant_schemas import Migration, TenantSchemas


class TenantRooms(Protocol):
    """`ports.TenantDatabases`, and the way in."""

    async def make(self, tenant: TenantId, migrate: Migration | None = None) -> None:
        """Nothing happens where it is there already, but that `migrate` is called: one caller at a time, in one
        transaction of this tenant's. Raises `TenantClosed` for a tenant that is suspended or deleted."""

    async def drop(self, tenant: TenantId) -> bool:
        """With all that is in it. Whether there was one."""

    def use(
        self, tenant: TenantId, *, limit: float | None = WORK_TIMEOUT
    ) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction that sees this tenant's tables and nobody else's. `limit`: seconds.

        Raises `NoTenantDatabase` where nothing has been made, or it has been dropped. Whether the tenant is open is not
        asked here: who calls has been let in.
        """

    async def close(self) -> None: ...


def open_tenant_databases(address: str, *, pool_size: int = POOL_SIZE, store_file: str = "") -> TenantRooms:
    """Beside the store at this address; nothing is connected before it is used. Raises `StartError`.

    `store_file`: where a temporary store is in truth.
    """
    url = read_address(address)
    if url.get_backend_name() != "sqlite":
        return TenantSchemas(url, pool_size=pool_size)
    return TenantFiles(url.set(database=store_file) if is_temporary(url) else url)
