"""An OAuth client: registered, pre-registered, or named by a metadata document's URL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from vestibule.model.secret import TokenDigest

ClientId: TypeAlias = str
AuthMethod: TypeAlias = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]


class ClientOrigin(StrEnum):
    """How we came to know a client."""

    REGISTERED = "registered"  # RFC 7591
    DOCUMENT = "document"  # client_id is the URL of its metadata document (CIMD)
    CONFIGURED = "configured"  # named in the operator's file


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for tokens. Everything a stranger wrote (name, URIs) is shown escaped and never trusted as identity."""

    client_id: ClientId
    origin: ClientOrigin
    redirect_uris: tuple[str, ...]
    name: str = ""
    auth_method: AuthMethod = "none"
    secret_digest: TokenDigest | None = field(default=None, repr=False)
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    scopes: tuple[str, ...] = ()  # what registration asked for; empty: whatever the resource offers
    client_uri: str = ""
    logo_uri: str = ""
    application_type: Literal["native", "web"] = "native"
    registered_at: datetime | None = None  # UTC
    last_used_at: datetime | None = None  # UTC; when it last got a token. Registered clients only
    issuer: str = ""  # at which of our issuers it registered; a secret is good for no other
    jwks: Mapping[str, Any] | None = field(default=None, repr=False)  # its public keys (RFC 7591 §2) …
    jwks_uri: str = ""  # … or where they stand; never both
    needs_pushed_requests: bool = False  # RFC 9126 §6
    needs_dpop: bool = False  # RFC 9449 §5.2: dpop_bound_access_tokens
    introspects: tuple[str, ...] = ()  # resources whose tokens it may ask about; only the operator says so
    tenant: str = ""  # whose people may use it, and in whose name it acts; empty: anybody's. Only the operator says so
    acts_for: tuple[str, ...] = ()  # clients whose tokens it may exchange for its own; only the operator says so

    @property
    def is_confidential(self) -> bool:
        return self.auth_method != "none"
