"""Google accounts, of some Workspace domains or of everybody.

Which organisation somebody belongs to is the `hd` claim and nothing else: an address at example.com can be a private
Google account of somebody who once had a mailbox there. The `hd` parameter only chooses what the page offers.
Source: developers.google.com/identity/openid-connect/openid-connect.
"""

from collections.abc import Collection, Mapping
from typing import Any

from vestibule.identity_providers.oidc import OidcProvider
from vestibule.protocol.jwt import Verified


class GoogleProvider(OidcProvider):
    def __init__(self, *, hosted_domains: Collection[str], offline: bool, **usual: Any) -> None:
        """`hosted_domains`: in lower case; none: everybody with a Google account. `offline`: with a refresh token."""
        parameters = {"access_type": "offline"} if offline else {}
        if hosted_domains:
            parameters["hd"] = next(iter(hosted_domains)) if len(hosted_domains) == 1 else "*"
        super().__init__(**usual, parameters=parameters)
        self._hosted_domains = frozenset(hosted_domains)

    def prompt_for(self, asked: frozenset[str]) -> str:
        """Google has no `login`, and answers it with a page of error; choosing the account is as near as it gets."""
        return " ".join(sorted({"select_account" if one == "login" else one for one in asked}))

    def issuer_for(self, verified: Verified) -> str:
        """Google writes its issuer with and without the scheme; the identity's is always the one with it."""
        bare = self._issuer.removeprefix("https://")
        return bare if verified.claims.get("iss") == bare else self._issuer

    def check_person(self, claims: Mapping[str, Any]) -> None:
        if not self._hosted_domains:
            return
        domain = claims.get("hd")
        if not isinstance(domain, str) or domain.lower() not in self._hosted_domains:
            raise self._failures.denied(
                f"hd is {str(domain)[:100]!r}, which is not one of hosted_domain",
                because="This Google account does not belong to an organisation that may sign in here.",
            )
