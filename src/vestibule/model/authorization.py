"""From /authorize to the tokens: the request in progress, the consent, the grant, the code, the refresh family.

An authorization request moves one way: ASKED → APPROVED (the person clicked, the browser is bound, the state for the
identity provider exists) → FINISHED (the callback redeemed that state, or a session made it needless). Refusing ends
it at once. A store moves it atomically; a request that is not in the expected state, or too old, is not found.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from vestibule.model.identity import Identity, TenantId
from vestibule.model.secret import TokenDigest

GrantId: TypeAlias = str


class RequestState(StrEnum):
    ASKED = "asked"
    APPROVED = "approved"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class SignIn:
    """The leg to the identity provider, made at the moment of approval. All of it is single-use."""

    provider: str
    state_digest: TokenDigest = field(repr=False)
    browser_digest: TokenDigest = field(repr=False)  # of the sign-in cookie of the browser that approved
    nonce: str = field(repr=False)
    sealed_verifier: bytes = field(repr=False)  # PKCE toward the provider


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One sign-in in progress. Every field has passed the checks of /authorize."""

    request_id: str
    client_id: str
    redirect_uri: str  # as requested: the loopback port included
    redirect_uri_given: bool  # RFC 6749 §4.1.3: then /token must repeat it
    scopes: tuple[str, ...]
    resource: str
    code_challenge: str = field(repr=False)  # S256, base64url without padding
    client_state: str | None = field(repr=False)
    browser_digest: TokenDigest = field(repr=False)  # of the consent cookie of the browser that asked
    created_at: datetime  # UTC
    expires_at: datetime  # UTC; ten minutes
    prompt: frozenset[str] = frozenset()
    login_hint: str = ""
    max_age: int | None = None  # seconds
    state: RequestState = RequestState.ASKED
    sign_in: SignIn | None = None


@dataclass(frozen=True, slots=True)
class ConsentKey:
    """What a person's answer is remembered for. Another redirect URI, scope or resource is another question."""

    tenant: TenantId
    user: str
    client_id: str
    redirect_uri: str  # loopback URIs without their port: it changes at every start of a client
    resource: str


@dataclass(frozen=True, slots=True)
class Consent:
    """A remembered answer. An approval covers its scopes and every subset; a refusal covers its scopes."""

    key: ConsentKey
    scopes: frozenset[str]
    approved: bool
    decided_at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Grant:
    """A person allowed this client these scopes at this resource. Revoking it ends all that hangs on it."""

    grant_id: GrantId
    tenant: TenantId
    identity: Identity
    client_id: str
    scopes: tuple[str, ...]
    resource: str
    created_at: datetime  # UTC
    revoked_at: datetime | None = None  # UTC


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """Proof for one redemption at /token. The code itself is never stored."""

    digest: TokenDigest = field(repr=False)
    grant_id: GrantId
    client_id: str
    redirect_uri: str
    redirect_uri_given: bool
    code_challenge: str = field(repr=False)
    scopes: tuple[str, ...]
    resource: str
    expires_at: datetime  # UTC; lives 60 s
    redeemed_at: datetime | None = None  # UTC


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One link of a grant's refresh family.

    Live until it is spent; then, for the grace window, answerable with the same successor, whose value is sealed here
    and forgotten after the window.
    """

    digest: TokenDigest = field(repr=False)
    grant_id: GrantId
    client_id: str
    expires_at: datetime  # UTC
    spent_at: datetime | None = None  # UTC
    successor_digest: TokenDigest | None = field(default=None, repr=False)
    sealed_successor: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a sealed access token says. It is for exactly one resource."""

    token_id: str
    grant_id: GrantId
    issuer: str
    identity_issuer: str
    subject: str
    user: str
    tenant: TenantId
    client_id: str
    scopes: tuple[str, ...]
    resource: str
    issued_at: int  # seconds since the epoch
    expires_at: int  # seconds since the epoch


class RevocationKind(StrEnum):
    GRANT = "grant"
    TOKEN = "token"  # noqa: S105 - a kind, not a secret


@dataclass(frozen=True, slots=True)
class Revocation:
    """Something that must stop working everywhere. Kept until every token it could concern has expired."""

    kind: RevocationKind
    value: str  # a grant id, or an access token's id
    revoked_at: datetime  # UTC
    expires_at: datetime  # UTC
