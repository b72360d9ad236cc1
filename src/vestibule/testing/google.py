"""A Google-shaped provider: an OpenID provider with Google's parameters, claims and habits.

async with ScriptedGoogle(tls=…) as google:
    google.hosted_domain = "example.com"     # the person's Workspace domain; empty: a private account
    google.bare_issuer = True                # `iss` without https://, as Google also writes it
    google.has_consented = True              # then there is no refresh token, unless prompt=consent
"""

import ssl
from typing import Any
from urllib.parse import urlsplit

from vestibule.testing.identity_provider import ScriptedIdentityProvider, StatusAndContent


class ScriptedGoogle(ScriptedIdentityProvider):
    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(client_id="gateway.apps.googleusercontent.com", tls=tls)
        self.subject = "110248495921238986420"
        self.hosted_domain = ""
        self.email = "alice@gmail.com"
        self.bare_issuer = False
        self.has_consented = False
        self._with_refresh_token = False

    def metadata(self) -> dict[str, Any]:
        return {
            **super().metadata(),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        """`access_type=offline` brings a refresh token with the first consent, and later only with `prompt=consent`."""
        is_offline = query.get("access_type") == "offline"
        self._with_refresh_token = is_offline and (not self.has_consented or "consent" in query.get("prompt", ""))
        return super().authorize(query)

    def token(self, form: dict[str, str], authorization: str) -> StatusAndContent:
        """A refresh token goes on: it is never replaced."""
        status, content = super().token(form, authorization)
        is_refresh = form.get("grant_type") == "refresh_token"
        if status == 200 and is_refresh:
            self._refresh_tokens.add(form["refresh_token"])
        if status == 200 and (is_refresh or not self._with_refresh_token):
            self._refresh_tokens.discard(content.pop("refresh_token"))
        return status, content

    def id_token(self, nonce: str | None) -> str:
        if self.bare_issuer:
            self.script.id_token.setdefault("iss", urlsplit(self.issuer).netloc)
        return super().id_token(nonce)

    def _person(self) -> dict[str, Any]:
        domain = {"hd": self.hosted_domain} if self.hosted_domain else {}
        return {"sub": self.subject, "name": "Alice", "email": self.email, "email_verified": True, **domain}
