"""An issuer whose tokens are taken as they are, as the operator names it; values only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from vestibule.model.secret import Secret

Kind = Literal["oidc", "entra", "auth0", "google", "github", "introspection"]

GOOGLE = "https://accounts.google.com"
GITHUB = "https://github.com"
_SIGNED = frozenset({"oidc", "entra", "auth0", "google"})
_OPAQUE = frozenset({"google", "github", "introspection"})
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_V1_AUTHORITIES = {
    "https://sts.windows.net": "https://login.microsoftonline.com",
    "https://sts.chinacloudapi.cn": "https://login.partner.microsoftonline.cn",
}
_WELL_KNOWN: Mapping[str, Kind] = {
    "login.microsoftonline.com": "entra",
    "login.microsoftonline.us": "entra",
    "login.partner.microsoftonline.cn": "entra",
    "sts.windows.net": "entra",
    "accounts.google.com": "google",
    "github.com": "github",
}


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One issuer. What is left empty is found out, or what is usual for its kind."""

    issuer: str  # its `iss`, to the letter; for entra with {tenantid}, organizations or common: those of `tenants`
    name: str = ""  # the first part of what its people are called: <name>:<subject>; empty: by the issuer
    kind: Kind | Literal[""] = ""  # empty: by the issuer's address
    audiences: tuple[str, ...] = ()  # what aud must be; empty: the identifiers of all, or the resource's own
    algorithms: tuple[str, ...] = ()  # empty: those of its discovery document
    tenants: tuple[str, ...] = ()  # entra: the ids of the tenants; empty: the one that stands in the issuer
    scopes: tuple[str, ...] = ()  # what its tokens are good for that carry no scopes
    jwks_uri: str = ""  # empty: by discovery
    client_id: str = ""  # ours: for introspection, and for the tokens of our own GitHub app
    client_secret: Secret | None = field(default=None, repr=False)
    introspection_endpoint: str = ""  # introspection; empty: by discovery
    api_url: str = ""  # github: of its API; google: of tokeninfo. Empty: the public one
    any_app: bool = False  # github: take the tokens of every application, and personal ones

    def complete(self) -> "TrustedIssuer":
        """The same with kind and name."""
        kind = self.kind or kind_of(self.issuer)
        return replace(self, kind=kind, name=self.name or name_of(self.issuer, kind))

    @property
    def signs(self) -> bool:
        """Whether its tokens are JWTs that we verify by its keys."""
        return self.kind in _SIGNED

    @property
    def is_asked(self) -> bool:
        """Whether it has tokens that say nothing to us, so that it must be asked about them."""
        return self.kind in _OPAQUE

    @property
    def authority(self) -> str:
        """entra: where its documents are, for an issuer of either version."""
        parts = urlsplit(self.issuer)
        origin = f"{parts.scheme}://{parts.netloc}"
        return _V1_AUTHORITIES.get(origin, origin)

    @property
    def accepted_tenants(self) -> tuple[str, ...]:
        """entra: those that are named; else the one in the issuer. None: it is everybody's, which nobody may have."""
        named = self.tenants or urlsplit(self.issuer).path.split("/")[1:2]
        return tuple(dict.fromkeys(one for one in map(str.lower, named) if _GUID.match(one)))


def kind_of(issuer: str) -> Kind:
    host = urlsplit(issuer).hostname or ""
    return _WELL_KNOWN.get(host, "auth0" if host.endswith(".auth0.com") else "oidc")


def name_of(issuer: str, kind: str) -> str:
    """What its people are called by when the operator says nothing: it never changes, whoever else is trusted later."""
    if issuer in (GOOGLE, GITHUB):
        return kind
    parts = urlsplit(issuer)
    return re.sub(r"[^a-z0-9]+", "-", f"{parts.netloc}{parts.path}".lower()).strip("-")
