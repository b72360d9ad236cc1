"""An Auth0-shaped provider: the issuer ends with a slash, `organization` becomes `org_id`, `audience` an API's token.

async with ScriptedAuth0(tls=…) as auth0:
    auth0.organizations = {"org_1": "acme"}      # the person's, id and name
    auth0.claims["https://example.com/roles"] = ["admin"]
"""

import ssl
from typing import Any

from vestibule.testing.identity_provider import ScriptedIdentityProvider


class ScriptedAuth0(ScriptedIdentityProvider):
    """`domain` goes into the configuration."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.subject = "auth0|5f7c8ec7c33c6c004bbafe82"
        self.organizations: dict[str, str] = {}
        self._organization = ""

    @property
    def domain(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def issuer(self) -> str:
        return f"{self.origin}/"

    def metadata(self) -> dict[str, Any]:
        """Auth0's own paths; it sends no `iss` at the callback."""
        return {
            **super().metadata(),
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "userinfo_endpoint": f"{self.origin}/userinfo",
            "revocation_endpoint": f"{self.origin}/revoke",
            "jwks_uri": f"{self.origin}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "authorization_response_iss_parameter_supported": False,
        }

    def authorize(self, query: dict[str, str]) -> str:
        """An organisation is asked for by its id or name; a person who is no member of it is told so."""
        asked = query.get("organization", "")
        found = [key for key, name in self.organizations.items() if asked in (key, name)]
        self._organization = found[0] if found else ""
        self.script.redirect["iss"] = None
        self.script.redirect.pop("error", None)
        if asked and not found:
            self.script.redirect |= {"error": "access_denied", "error_description": "user is not part of the org"}
        return super().authorize(query)

    def _person(self) -> dict[str, Any]:
        person = super()._person()
        if self._organization:
            person |= {"org_id": self._organization, "org_name": self.organizations[self._organization]}
        return {**person, "email": "alice@example.com"}
