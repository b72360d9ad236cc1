"""Tenants: whose somebody is, whether they may come in, and what an operator may do with one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vestibule.admin.tenants import TenantAdmin
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.config import Configuration
from vestibule.config.providers import EntraConfig
from vestibule.config.tenants import DENY
from vestibule.model import TenantId
from vestibule.policy import OneTenant, TenantGate, TenantRules
from vestibule.ports import TenantMap, TenantStore
from vestibule.protocol.email_domain import plain_domain
from vestibule.stores import SqlStore

if TYPE_CHECKING:
    from vestibule.stores.tenant_databases import TenantRooms

PUBLIC_CLOUD = "https://login.microsoftonline.com"


def make_tenant_map(configuration: Configuration) -> TenantMap:
    tenants = configuration.tenants
    if tenants is None:
        return OneTenant()
    return TenantRules(
        by=tenants.order,
        people=tenants.people,
        issuers=_entra_issuers(configuration, tenants.entra) if tenants.entra else {},
        claim=tenants.claim,
        values=tenants.values,
        domains={plain_domain(domain) or domain: tenant for domain, tenant in tenants.domains.items()},
        providers=frozenset(tenants.providers),
        default=None if tenants.default == DENY else tenants.default,
    )


def _entra_issuers(configuration: Configuration, directories: Mapping[str, TenantId]) -> dict[str, TenantId]:
    """Who may sign a token of these directories: in each cloud that the file names, in both versions."""
    from vestibule.protocol.entra import issuers_of  # brings the JOSE library: 3 MB

    entra = [one for one in configuration.identity_providers if isinstance(one, EntraConfig)]
    authorities = {one.authority for one in entra} or {PUBLIC_CLOUD}
    return {
        issuer: tenant
        for authority in authorities
        for directory, tenant in directories.items()
        for issuer in issuers_of(authority, directory)
    }


def make_tenant_gate(configuration: Configuration, store: TenantStore) -> TenantGate:
    return TenantGate(store, configuration.named_tenants)


class TenantOffice:
    """What an operator or a server in the box needs of tenants; made when somebody asks for it."""

    def __init__(self, configuration: Configuration, store: SqlStore, server: AuthorizationServer) -> None:
        self._configuration = configuration
        self._store = store
        self._server = server
        self._databases: TenantRooms | None = None

    @property
    def databases(self) -> "TenantRooms":
        from vestibule.stores.tenant_databases import open_tenant_databases

        if self._databases is None:
            self._databases = open_tenant_databases(self._configuration.store, store_file=self._store.temporary_file)
        return self._databases

    @property
    def admin(self) -> TenantAdmin:

        server = self._server
        return TenantAdmin(
            store=server.store,
            audit=server.audit,
            clock=server.clock,
            announce=server.announce,
            provider_tokens=server.provider_tokens,
            databases=self.databases,
            named=self._configuration.named_tenants,
            longest_access_token=server.settings.longest_access_token,
        )

    async def close(self) -> None:
        if self._databases is not None:
            await self._databases.close()
