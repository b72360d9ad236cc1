"""The admin API as a resource of its own, and who may do what there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vestibule.admin import Administrator, ApiKeyOffice, Entrance, Rights
from vestibule.authorization_server.endings import revoke_grant
from vestibule.authorization_server.replies import Context
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.config import Configuration
from vestibule.model import GrantId, Resource, Upstream
from vestibule.protocol.scope import ADMIN
from vestibule.web.plane import Administration
from vestibule.wiring.api_keys import upstreams_of
from vestibule.wiring.tenants import TenantOffice

if TYPE_CHECKING:
    from vestibule.admin.grants import EndGrant


def issued_for(configuration: Configuration, resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """What our access tokens are for: not for what only API keys open, and for administration where that is on."""
    theirs = tuple(resource for resource in resources if resource.upstream.access != "api-key-only")
    return (*theirs, admin_resource(configuration)) if configuration.admin.enabled else theirs


def admin_resource(configuration: Configuration) -> Resource:
    texts = {ADMIN: "Administer this server: API keys and tenants"}
    nowhere = Upstream("admin", "", scopes=(ADMIN,), scope_texts=texts, title="Administration of this server")
    base = configuration.public_url
    return Resource(f"{base}/admin", f"{urlsplit(base).path}/admin", nowhere, must_be_named=True)


def permissions_of(configuration: Configuration) -> Mapping[str, frozenset[str]]:
    """Role → scopes that only people of this role are granted; administration is among them."""
    permissions = {role: frozenset(scopes) for role, scopes in configuration.authorization.permissions.items()}
    admin = configuration.admin
    if admin.enabled:
        # Where only clients administer, the scope is reserved to the role without a name, which nobody has.
        for role in (*admin.roles, *admin.operators) or ("",):
            permissions[role] = permissions.get(role, frozenset()) | {ADMIN}
    return permissions


def make_office(server: AuthorizationServer, resources: Sequence[Resource]) -> ApiKeyOffice:
    return ApiKeyOffice(
        server.store,
        server.audit,
        tenants=server.tenant_gate,
        upstreams=upstreams_of(resources),
        permissions=server.settings.permissions,
        announce=server.announce,
        clock=server.clock,
        entropy=server.entropy,
    )


def make_administration(
    configuration: Configuration, server: AuthorizationServer, api_keys: ApiKeyOffice, tenants: TenantOffice
) -> Administration | None:
    """What the admin API stands on; None where it is off, and then nothing of it is loaded."""
    if not configuration.admin.enabled:
        return None
    from vestibule.admin.audit import AuditOffice
    from vestibule.admin.grants import GrantOffice
    from vestibule.admin.tenant_requests import TenantRequests

    admin = configuration.admin
    entrance = Entrance(
        admin_resource(configuration),
        configuration.issuer,
        Rights(frozenset(admin.roles), frozenset(admin.operators), frozenset(admin.clients)),
        tokens=server.tokens,
        proofs=server.proofs,
        audit=server.audit,
        clock=server.clock,
    )
    return Administration(
        entrance,
        api_keys,
        TenantRequests(lambda: tenants.admin, server.audit, server.clock),
        GrantOffice(server.store.grants, _end_grant(server)),
        AuditOffice(
            server.store.audit,
            server.audit,
            sealer=server.sealer,
            authenticator=server.authenticator,
            clock=server.clock,
        ),
    )


def _end_grant(server: AuthorizationServer) -> "EndGrant":
    async def end(grant_id: GrantId, by: Administrator, *, reason: str) -> bool:
        context = Context(by.request_id, by.address, by.actor)
        return await revoke_grant(grant_id, server, context, reason=reason, tenant=by.tenant)

    return end
