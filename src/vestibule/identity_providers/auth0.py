"""Auth0: an OpenID provider with two parameters of its own, `audience` and `organization`.

Asking for an organisation is not being one of its members: the token has to say so, by `org_id` when the configuration
has an id, and by `org_name` when it has a name (names are case-insensitive).
Source: auth0.com/docs, "Work with tokens and organizations"; "Authorization Code Flow with PKCE".
"""

from collections.abc import Mapping
from typing import Any

from vestibule.identity_providers.oidc import OidcProvider

_ID = "org_"


class Auth0Provider(OidcProvider):
    def __init__(self, *, audience: str, organization: str, **usual: Any) -> None:
        """Empty: none."""
        asked = {"audience": audience, "organization": organization}
        super().__init__(**usual, parameters={name: value for name, value in asked.items() if value})
        self._organization = organization

    def check_person(self, claims: Mapping[str, Any]) -> None:
        if not self._organization:
            return
        if self._organization.startswith(_ID):
            name, belongs = "org_id", claims.get("org_id") == self._organization
        else:
            name, belongs = "org_name", _is_called(claims.get("org_name"), self._organization)
        if not belongs:
            raise self._failures.denied(
                f"{name} is {str(claims.get(name))[:100]!r}, not {self._organization!r}",
                because="This account does not belong to the organisation that may sign in here.",
            )


def _is_called(name: object, wanted: str) -> bool:
    """Auth0 compares names of organizations without regard to case. No name is nobody's, whatever is wanted."""
    return isinstance(name, str) and name.lower() == wanted.lower()
