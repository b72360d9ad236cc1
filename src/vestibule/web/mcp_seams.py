"""Behind the MCP SDK's own seam, and FastMCP's: their `TokenVerifier`, our verdict.

What the seam cannot do, it cannot do for us either: the SDK's challenges name no scopes, and a tool's needs come as a
tool error, not as a challenge that a client can step up by. `vestibule.protect` around the application can.
"""

import time
from collections.abc import Callable
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from pydantic import PrivateAttr

from vestibule.errors import InvalidToken
from vestibule.model import Principal, Resource
from vestibule.ports import TokenVerifier
from vestibule.web.protect_user import User


class VerifiedToken(AccessToken):
    """The SDK's idea of a token, with ours."""

    _principal: Principal = PrivateAttr()

    @property
    def principal(self) -> Principal:
        return self._principal

    @classmethod
    def of(cls, principal: Principal, token: str = "") -> "VerifiedToken":
        """`token` stays empty under `protect`: no code behind the door needs what opened it."""
        verified = cls(**token_fields(principal, token))
        verified._principal = principal
        return verified


def token_fields(principal: Principal, token: str) -> dict[str, Any]:
    """What the SDK and FastMCP want to know. `claims.iss` and `subject` are what sessions are bound to."""
    issuer = principal.identity_issuer or principal.issuer
    return {
        "token": token,
        "client_id": principal.client_id,
        "scopes": sorted(principal.scopes),
        "expires_at": int(principal.expires_at.timestamp()),
        "resource": principal.resource,
        "subject": principal.subject,
        "claims": {"iss": issuer, "sub": principal.subject, "tenant": principal.tenant},
    }


class SdkUser(User, AuthenticatedUser):
    """For `scope["user"]`."""

    def __init__(self, principal: Principal) -> None:
        AuthenticatedUser.__init__(self, VerifiedToken.of(principal))
        User.__init__(self, principal)


async def verified(
    verifier: TokenVerifier, resource: Resource, token: str, *, clock: Callable[[], float] = time.time
) -> Principal | None:
    """The principal, or None for a token that is worth nothing here; the seam knows no third answer.

    A token that is bound to a key is worth nothing: no seam shows the proof. Raises `Unavailable` where an issuer
    cannot be asked: a client should wait then, not sign in again.
    """
    try:
        principal = await verifier.verify(token, resource, clock())
    except InvalidToken:
        return None
    return None if principal.key_thumbprint else principal


class SdkVerifier:
    """Implements the SDK's `TokenVerifier` (mcp.server.auth.provider)."""

    def __init__(self, verifier: TokenVerifier, resource: Resource) -> None:
        self._verifier = verifier
        self._resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        principal = await verified(self._verifier, self._resource, token)
        return None if principal is None else VerifiedToken.of(principal, token)
