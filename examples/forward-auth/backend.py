"""How a backend believes Vestibule and nobody else, whatever stands between them. Needs pyjwt[crypto].

The header X-Vestibule-Assertion says who is calling, signed. It is good for a minute, for this MCP server only, and may
come several times; the keys are fetched once and kept.
"""

from typing import Any

import jwt

ISSUER = "http://127.0.0.1:8000"  # the public_url of Vestibule
RESOURCE = f"{ISSUER}/tickets/mcp"  # the URL of this MCP server, as clients see it
KEYS = jwt.PyJWKClient(f"{ISSUER}/jwks.json")


def caller(
    assertion: str, *, issuer: str = ISSUER, resource: str = RESOURCE, keys: jwt.PyJWKClient = KEYS
) -> dict[str, Any]:
    """Who is calling: sub, tenant, client_id, scope, roles. Raises `jwt.InvalidTokenError`."""
    if jwt.get_unverified_header(assertion).get("typ") != "vestibule-identity+jwt":
        raise jwt.InvalidTokenError("this is another kind of token")
    key = keys.get_signing_key_from_jwt(assertion)
    claims: dict[str, Any] = jwt.decode(
        assertion,
        key,
        algorithms=["ES256"],
        issuer=issuer,
        audience=resource,
        options={"require": ["exp", "iat", "sub", "aud", "iss"]},
    )
    return claims
