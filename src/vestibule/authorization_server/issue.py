"""Making the answer of /token: an access token for exactly one resource, and the refresh token beside it."""

from collections.abc import Sequence

from vestibule.authorization_server.replies import JsonReply
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.model import AccessToken, Grant
from vestibule.protocol.access_token import PURPOSE, encode_claims, write_token
from vestibule.protocol.scope import write_scope


def token_reply(grant: Grant, scopes: Sequence[str], refresh_token: str, server: AuthorizationServer) -> JsonReply:
    """RFC 6749 §5.1. The scope is always told: it may be less than what was asked for."""
    lifetime = int(server.settings.lifetimes.access_token.total_seconds())
    return JsonReply(
        {
            "access_token": _access_token(grant, scopes, lifetime, server),
            "token_type": "Bearer",
            "expires_in": lifetime,
            "refresh_token": refresh_token,
            "scope": write_scope(scopes),
        }
    )


def _access_token(grant: Grant, scopes: Sequence[str], lifetime: int, server: AuthorizationServer) -> str:
    now = int(server.clock().timestamp())
    claims = AccessToken(
        token_id=server.token(size=12),
        grant_id=grant.grant_id,
        issuer=server.settings.issuer,
        identity_issuer=grant.identity.issuer,
        subject=grant.identity.subject,
        user=grant.identity.user,
        tenant=grant.tenant,
        client_id=grant.client_id,
        scopes=tuple(scopes),
        resource=grant.resource,
        issued_at=now,
        expires_at=now + lifetime,
    )
    return write_token(server.sealer.seal(PURPOSE, encode_claims(claims)))
