"""Behind FastMCP's own seam. FastMCP is not among our dependencies: whoever imports this has it."""

from collections.abc import Sequence
from typing import Any

from fastmcp.server.auth import AccessToken, RemoteAuthProvider
from fastmcp.server.auth import TokenVerifier as FastMcpTokenVerifier
from pydantic import AnyHttpUrl, PrivateAttr, TypeAdapter

from vestibule.model import Principal, Resource
from vestibule.ports import TokenVerifier
from vestibule.web.mcp_seams import token_fields, verified


class VerifiedAccessToken(AccessToken):
    """FastMCP's idea of a token, with ours."""

    _principal: Principal = PrivateAttr()

    @property
    def principal(self) -> Principal:
        return self._principal


class Verifier(FastMcpTokenVerifier):
    """Implements `fastmcp.server.auth.TokenVerifier`."""

    def __init__(self, verifier: TokenVerifier, resource: Resource) -> None:
        super().__init__(required_scopes=list(resource.upstream.scopes))
        self._verifier = verifier
        self._resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        principal = await verified(self._verifier, self._resource, token)
        if principal is None:
            return None
        found = VerifiedAccessToken(**token_fields(principal, token))
        found._principal = principal
        return found


def auth_provider(verifier: TokenVerifier, resource: Resource, issuers: Sequence[str]) -> RemoteAuthProvider:
    """For `FastMCP(auth=…)`; it serves the resource's metadata, too."""
    base = resource.identifier.removesuffix(resource.path) if resource.path != "/" else resource.identifier
    arguments: dict[str, Any] = {
        "token_verifier": Verifier(verifier, resource),
        "authorization_servers": [_ADDRESS.validate_python(issuer) for issuer in issuers],
        "base_url": base,
        "resource_name": resource.upstream.title or None,
    }
    return RemoteAuthProvider(**arguments)


_ADDRESS = TypeAdapter(AnyHttpUrl, config={"url_preserve_empty_path": True})  # RFC 8414: an issuer is to the letter
