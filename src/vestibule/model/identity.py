"""Who someone is, as told by a provider, and who is calling now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from vestibule.model.secret import TokenDigest

TenantId: TypeAlias = str

DEFAULT_TENANT: TenantId = "default"


@dataclass(frozen=True, slots=True)
class Identity:
    """What an identity provider asserted. Identity is (issuer, subject); an e-mail address identifies nobody."""

    issuer: str
    subject: str
    provider: str  # the provider's name in the configuration
    name: str = ""
    email: str = ""  # for display; empty unless the provider says it is verified
    roles: frozenset[str] = frozenset()  # what its claims map to, by the configuration
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def user(self) -> str:
        """The stable name of this person in our records: provider and subject."""
        return f"{self.provider}:{self.subject}"


@dataclass(frozen=True, slots=True)
class ProviderTokens:
    """What a provider gave us for a person: ours to keep sealed, never a client's to see."""

    provider: str
    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)  # GitHub gives none
    expires_at: datetime | None = None  # UTC; of the access token; None: it does not expire
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a finished sign-in at a provider brings."""

    identity: Identity
    tokens: ProviderTokens | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser signed in with us. The cookie's value is stored as a digest only."""

    digest: TokenDigest = field(repr=False)
    identity: Identity
    tenant: TenantId
    signed_in_at: datetime  # UTC
    expires_at: datetime  # UTC
    tokens_id: str = ""  # under which the identity provider's tokens are kept; empty: there are none


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling now: identity, client, scopes, tenant, and until when."""

    issuer: str
    subject: str
    user: str
    tenant: TenantId
    client_id: str
    scopes: frozenset[str]
    resource: str
    grant_id: str
    token_id: str
    expires_at: datetime  # UTC
    identity_issuer: str = ""  # who asserted the subject
    issued_at: int = 0  # seconds since the epoch
    key_thumbprint: str = ""  # RFC 9449: the caller must prove this key at each request; empty: a bearer token
    actors: tuple[str, ...] = ()  # RFC 8693: clients that act for the subject, the last one first
    roles: frozenset[str] = frozenset()
    shown: Literal["access-token", "foreign-token", "api-key"] = "access-token"
    upstreams: tuple[str, ...] = ()  # an API key's: the only ones it opens; empty: no such limit

    @property
    def key(self) -> str:
        """What binds a session, a cache entry or a stream to this principal. Never shown."""
        return f"{self.person}\n{self.client_id}"

    @property
    def person(self) -> str:
        """Who it is, with whatever client: what one may take of something that others need too."""
        return "\n".join((self.tenant, self.identity_issuer or self.issuer, self.subject))
