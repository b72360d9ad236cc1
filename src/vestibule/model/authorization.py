"""From /authorize to the tokens: the request in progress, the consent, the grant, the code, the refresh family.

An authorization request moves one way: ASKED → APPROVED (the person clicked, the browser is bound, the state for the
identity provider exists) → FINISHED (the callback redeemed that state, or a session made it needless). Refusing ends
it at once. A store moves it atomically; a request that is not in the expected state, or too old, is not found.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from vestibule.model.identity import DEFAULT_TENANT, Identity, TenantId
from vestibule.model.secret import TokenDigest

GrantId: TypeAlias = str


class Purpose(StrEnum):
    """What a sign-in in progress is for: where it leads in the end."""

    CLIENT = "client"  # a code for the client, by its redirect URI
    DEVICE = "device"  # a grant for the device that shows a user code
    ACCOUNT = "account"  # nothing but a session, for our own pages


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
    purpose: Purpose = Purpose.CLIENT
    device_digest: TokenDigest | None = field(default=None, repr=False)  # of the device code that this is for
    key_thumbprint: str = ""  # RFC 9449 §10: the code is for the holder of this key


@dataclass(frozen=True, slots=True)
class PushedRequest:
    """The parameters of an authorization request, sent ahead by the client itself (RFC 9126)."""

    digest: TokenDigest = field(repr=False)  # of the request_uri's random part
    client_id: str
    sealed_parameters: bytes = field(repr=False)
    expires_at: datetime  # UTC; 90 s


class DeviceState(StrEnum):
    """PENDING → APPROVED → REDEEMED, or PENDING → REFUSED."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    REDEEMED = "redeemed"


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A device without a browser that waits for somebody to type its code elsewhere (RFC 8628)."""

    digest: TokenDigest = field(repr=False)  # of the device code
    user_code: str = field(repr=False)  # as stored: eight letters without the dash
    client_id: str
    scopes: tuple[str, ...]
    resource: str
    created_at: datetime  # UTC
    expires_at: datetime  # UTC; ten minutes
    interval: int = 5  # seconds between two polls; grows when a device is too eager
    polled_at: datetime | None = None  # UTC
    state: DeviceState = DeviceState.PENDING
    grant_id: GrantId = ""


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
    expires_at: datetime | None = None  # UTC; nothing lives longer, however often it is used. None: until revoked
    last_used_at: datetime | None = None  # UTC; when it last gave a token
    tokens_id: str = ""  # under which the identity provider's tokens are kept; empty: there are none


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
    key_thumbprint: str = ""  # RFC 9449 §10


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
    key_thumbprint: str = ""  # RFC 9449 §5: a public client's refresh token is for the holder of this key


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What an access token says, sealed or signed. It is for exactly one resource."""

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
    key_thumbprint: str = ""  # RFC 9449 §6: of the key whose holder it is for; empty: a bearer token
    actors: tuple[str, ...] = ()  # RFC 8693 §4.1: clients that act for the subject, the last one first
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptTokens:
    """An identity provider's tokens, kept for the session and the grants of one sign-in."""

    tokens_id: str
    tenant: TenantId
    user: str
    sealed: bytes = field(repr=False)
    kept_at: datetime  # UTC
    version: int = 0  # grows with each refresh: who writes says which version it has read


class BlockKind(StrEnum):
    USER = "user"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Block:
    """Somebody who may not come in any more."""

    kind: BlockKind
    value: str  # a user, or a client_id
    tenant: TenantId
    blocked_at: datetime  # UTC
    reason: str = ""


class RevocationKind(StrEnum):
    """What is revoked. A client, a user or a tenant: everything that it got until then."""

    GRANT = "grant"
    TOKEN = "token"  # noqa: S105 - a kind, not a secret
    CLIENT = "client"
    USER = "user"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class Revocation:
    """Something that must stop working everywhere. Kept until every token it could concern has expired."""

    kind: RevocationKind
    value: str  # a grant id, an access token's or API key's id, a client_id, a user or a tenant
    revoked_at: datetime  # UTC
    expires_at: datetime  # UTC
    tenant: TenantId = DEFAULT_TENANT  # of the user; the other values are unique in all
