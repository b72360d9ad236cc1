"""Tenants: whose somebody is, whether they may come in, and what an operator may do with one."""

from vestibule.admin.tenants import TenantAdmin
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.config import Configuration
from vestibule.config.providers import EntraConfig
from vestibule.config.tenants import DENY
from vestibule.policy import OneTenant, TenantGate, TenantRules
from vestibule.ports import TenantMap, TenantStore
from vestibule.protocol.email_domain import plain_domain
from vestibule.protocol.entra import issuers_of
from vestibule.stores import SqlStore
from vestibule.stores.tenant_databases import TenantRooms, open_tenant_databases

PUBLIC_CLOUD = "https://login.microsoftonline.com"


def make_tenant_map(configuration: Configuration) -> TenantMap:
    tenants = configuration.tenants
    if tenants is None:
        return OneTenant()
    authorities = {one.authority for one in configuration.identity_providers if isinstance(one, EntraConfig)}
    return TenantRules(
        by=tenants.order,
        people=tenants.people,
        issuers={
            issuer: tenant
            for authority in authorities or {PUBLIC_CLOUD}
            for directory, tenant in tenants.entra.items()
            for issuer in issuers_of(authority, directory)
        },
        claim=tenants.claim,
        values=tenants.values,
        domains={plain_domain(domain) or domain: tenant for domain, tenant in tenants.domains.items()},
        providers=frozenset(tenants.providers),
        default=None if tenants.default == DENY else tenants.default,
    )


def make_tenant_gate(configuration: Configuration, store: TenantStore) -> TenantGate:
    return TenantGate(store, configuration.named_tenants)


def make_tenant_admin(configuration: Configuration, server: AuthorizationServer, databases: TenantRooms) -> TenantAdmin:
    return TenantAdmin(
        store=server.store,
        audit=server.audit,
        clock=server.clock,
        announce=server.announce,
        provider_tokens=server.provider_tokens,
        databases=databases,
        named=configuration.named_tenants,
        longest_access_token=server.settings.longest_access_token,
    )


def make_tenant_databases(configuration: Configuration, store: SqlStore) -> TenantRooms:
    return open_tenant_databases(configuration.store, store_file=store.temporary_file)
