"""An OAuth client: registered, pre-registered, or named by a metadata document's URL."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from vestibule.model.secret import TokenDigest

ClientId: TypeAlias = str
AuthMethod: TypeAlias = Literal["none", "client_secret_basic", "client_secret_post"]


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

    @property
    def is_confidential(self) -> bool:
        return self.auth_method != "none"
