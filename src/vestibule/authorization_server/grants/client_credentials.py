"""grant_type=client_credentials (OAuth 2.1 §4.2): a client in its own name, with no person behind it.

Only clients of the operator's file have this grant, with the scopes that the file gives them: whoever registers itself
would get in without anybody's consent. There is no refresh token, and no row: the grant is the operator's word.
"""

from collections.abc import Sequence

from vestibule.authorization_server.grants.call import TokenCall
from vestibule.authorization_server.issue import token_reply
from vestibule.authorization_server.replies import JsonReply
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import AccessDenied, InvalidScope, UnauthorizedClient
from vestibule.model import Client, ClientOrigin, Grant, Identity, TenantId
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.resource import find_resource
from vestibule.protocol.scope import narrowed, read_scope

PROVIDER = "client"  # as an identity provider is named; none of the configuration may have this name


async def give_to_client(call: TokenCall, server: AuthorizationServer) -> JsonReply:
    client = call.client
    if client.origin is not ClientOrigin.CONFIGURED or not client.is_confidential:
        raise UnauthorizedClient("Only a confidential client of the operator's file may act in its own name.")
    identity = Identity(server.settings.issuer, client.client_id, PROVIDER, name=client.name)
    grant, scopes = own_grant(call.form, client, identity, server)
    await server.check_welcome(grant.tenant, identity.user)
    await call.admit()
    await server.record(
        call.context,
        "token.issue",
        "allowed",
        actor=identity.user,
        client_id=client.client_id,
        tenant=grant.tenant,
        target=grant.resource,
        facts={"scope": " ".join(scopes), "grant_type": "client_credentials"},
    )
    return token_reply(call, grant, scopes, "", server)


def own_grant(
    form: Parameters, client: Client, identity: Identity, server: AuthorizationServer
) -> tuple[Grant, Sequence[str]]:
    """What the operator lets this client do at the resource that the form names. Raises `InvalidScope`."""
    resource = find_resource(form.resources, server.settings.resources)
    offered = server.offered_scopes(resource)
    allowed = tuple(scope for scope in offered if scope in client.scopes)
    if not allowed:
        raise InvalidScope("This client has no scope at this resource.", action="Its scopes are in the configuration.")
    grant = Grant(
        grant_id=f"{PROVIDER}:{client.client_id}",
        tenant=own_tenant(client, server),
        identity=identity,
        client_id=client.client_id,
        scopes=allowed,
        resource=resource.identifier,
        created_at=server.clock(),
    )
    return grant, narrowed(read_scope(form.get("scope")), allowed)


def own_tenant(client: Client, server: AuthorizationServer) -> TenantId:
    """In whose name a client of the operator's file acts. Raises `AccessDenied` where the file does not say."""
    tenant = client.tenant or server.settings.default_tenant
    if not tenant:
        raise AccessDenied(
            "This client belongs to no organisation.", action="The operator says whose it is.", detail="no tenant"
        )
    return tenant
