"""Making the answer of /token: an access token for exactly one resource, and the refresh token beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from vestibule.authorization_server.grants.call import TokenCall
from vestibule.authorization_server.lifetimes import capped
from vestibule.authorization_server.replies import JsonReply
from vestibule.authorization_server.server import REFRESH_PREFIX, AuthorizationServer
from vestibule.model import AccessToken, ClientOrigin, Grant, RefreshToken, digest
from vestibule.protocol.access_token import PURPOSE, encode_claims, signed_claims, write_token
from vestibule.protocol.scope import write_scope

SIGNED_TYPE = "at+jwt"  # RFC 9068 §2.1


@dataclass(frozen=True, slots=True)
class Issue:
    """What is given, and to whom."""

    grant: Grant
    client_id: str
    scopes: Sequence[str]
    expires_at: datetime  # UTC
    key_thumbprint: str = ""
    actors: tuple[str, ...] = ()
    refresh_token: str = field(default="", repr=False)


async def begin_family(call: TokenCall, grant: Grant, server: AuthorizationServer) -> str:
    """The first refresh token of a grant, whether or not offline_access was asked for: MCP clients rely on it."""
    refresh_token = server.token(REFRESH_PREFIX)
    await server.store.refresh_tokens.add(new_link(refresh_token, call, grant, server))
    if call.client.origin is not ClientOrigin.CONFIGURED:
        await server.store.clients.touch(call.client.client_id, now=server.clock())
    return refresh_token


def new_link(refresh_token: str, call: TokenCall, grant: Grant, server: AuthorizationServer) -> RefreshToken:
    """It lives on from now, and never longer than the grant. A public client's is bound to the key it proved."""
    lifetime = server.lifetimes_for(call.client).refresh_token
    return RefreshToken(
        digest=digest(refresh_token),
        grant_id=grant.grant_id,
        client_id=call.client.client_id,
        expires_at=capped(server.clock() + lifetime, grant.expires_at),
        key_thumbprint="" if call.client.is_confidential else call.key_thumbprint,
    )


def token_reply(
    call: TokenCall, grant: Grant, scopes: Sequence[str], refresh_token: str, server: AuthorizationServer
) -> JsonReply:
    """RFC 6749 §5.1. The scope is always told: it may be less than what was asked for."""
    end = server.clock() + server.lifetimes_for(call.client).access_token
    return issue(
        Issue(
            grant=grant,
            client_id=grant.client_id,
            scopes=scopes,
            expires_at=capped(end, grant.expires_at),
            key_thumbprint=call.key_thumbprint,
            refresh_token=refresh_token,
        ),
        server,
    )


def issue(what: Issue, server: AuthorizationServer) -> JsonReply:
    now = int(server.clock().timestamp())
    expires_at = int(what.expires_at.timestamp())
    token = AccessToken(
        token_id=server.token(size=12),
        grant_id=what.grant.grant_id,
        issuer=server.settings.issuer,
        identity_issuer=what.grant.identity.issuer,
        subject=what.grant.identity.subject,
        user=what.grant.identity.user,
        tenant=what.grant.tenant,
        client_id=what.client_id,
        scopes=tuple(what.scopes),
        resource=what.grant.resource,
        issued_at=now,
        expires_at=expires_at,
        key_thumbprint=what.key_thumbprint,
        actors=what.actors,
        roles=tuple(sorted(what.grant.identity.roles)),
    )
    body: dict[str, object] = {
        "access_token": write_access_token(token, server),
        "token_type": "DPoP" if what.key_thumbprint else "Bearer",
        "expires_in": max(0, expires_at - now),
        "scope": write_scope(what.scopes),
    }
    if what.refresh_token:
        body["refresh_token"] = what.refresh_token
    return JsonReply(body)


def write_access_token(token: AccessToken, server: AuthorizationServer) -> str:
    if server.settings.token_format == "signed":  # noqa: S105 - a form, not a secret
        return server.signer.sign_jwt(SIGNED_TYPE, signed_claims(token))
    return write_token(server.sealer.seal(PURPOSE, encode_claims(token)))
