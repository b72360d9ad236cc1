"""What the core asks of the outside, one Protocol per noun.

A port promises behaviour, not only shapes: what happens to concurrent callers, what is durable when a call returns, and
which errors come. Every store raises `StoreUnavailable` when it cannot be reached; when a method that writes returns,
what it wrote survives SIGKILL. No `add` replaces anything: a key that is taken, or a code or refresh token without its
grant, is a `ValueError`. `vestibule.testing.store_contract` proves these promises for any implementation.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from vestibule.model import (
    AccessToken,
    AuditEvent,
    AuthorizationCode,
    AuthorizationRequest,
    Block,
    BlockKind,
    Client,
    ClientId,
    Consent,
    ConsentKey,
    DeviceRequest,
    Grant,
    GrantId,
    KeptTokens,
    Principal,
    Proof,
    ProviderTokens,
    PushedRequest,
    RefreshToken,
    Resource,
    Revocation,
    Session,
    SignedIn,
    SignIn,
    TenantId,
    TokenDigest,
    Upstream,
)

# --- the small seams: time, chance, names ---------------------------------------------------------------------------

Clock: TypeAlias = Callable[[], datetime]
"""The time, in UTC."""

Entropy: TypeAlias = Callable[[int], bytes]
"""That many unpredictable bytes."""

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host name, as text, all of them."""


# --- stores ---------------------------------------------------------------------------------------------------------


class ClientStore(Protocol):
    """Registered clients. (Configured ones and metadata documents are not kept here.)"""

    async def add(self, client: Client) -> None: ...

    async def get(self, client_id: ClientId) -> Client | None: ...

    async def remember(self, client: Client) -> None:
        """Add, or replace what was known of it; when it was first known and last used stays."""

    async def list_all(self, *, limit: int = 1000) -> Sequence[Client]:
        """The last registered first."""

    async def count_unused(self) -> int:
        """How many have registered themselves and never got a token."""

    async def remove_oldest_unused(self, *, before: datetime) -> bool:
        """Make room: forget the one that has waited longest, if it registered before this."""

    async def touch(self, client_id: ClientId, *, now: datetime) -> None:
        """It has got a token. Nothing happens for a client that is not kept here."""

    async def remove(self, client_id: ClientId) -> bool:
        """Whether there was such a client. Its grants are not touched."""


class AuthorizationRequestStore(Protocol):
    async def add(self, request: AuthorizationRequest) -> None: ...

    async def get(self, request_id: str, *, now: datetime) -> AuthorizationRequest | None:
        """The request, in whatever state, unless it has expired."""

    async def approve(self, request_id: str, sign_in: SignIn | None, *, now: datetime) -> AuthorizationRequest | None:
        """ASKED → APPROVED with the leg to the provider, or ASKED → FINISHED without one.

        Of any number of concurrent callers exactly one gets the request (in its new state); the others get None.
        """

    async def refuse(self, request_id: str, *, now: datetime) -> AuthorizationRequest | None:
        """ASKED → FINISHED. Exactly one concurrent caller gets the request."""

    async def redeem_state(self, state_digest: TokenDigest, *, now: datetime) -> AuthorizationRequest | None:
        """APPROVED → FINISHED by the state that the provider sent back. Exactly one concurrent caller gets it."""


class PushedRequestStore(Protocol):
    async def add(self, request: PushedRequest) -> None: ...

    async def take(self, digest: TokenDigest, *, now: datetime) -> PushedRequest | None:
        """Exactly one concurrent caller gets it."""


class DeviceRequestStore(Protocol):
    async def add(self, request: DeviceRequest) -> None: ...

    async def get(self, digest: TokenDigest, *, now: datetime) -> DeviceRequest | None:
        """The pending request of this device code."""

    async def find(self, user_code: str, *, now: datetime) -> DeviceRequest | None:
        """The pending request of this user code."""

    async def poll(self, digest: TokenDigest, *, now: datetime) -> tuple[DeviceRequest, bool] | None:
        """The request, expired or not, and whether this poll came too soon: then its interval has grown by 5 s."""

    async def approve(self, digest: TokenDigest, grant_id: GrantId, *, now: datetime) -> bool:
        """PENDING → APPROVED. True for exactly one of approvals and refusals."""

    async def refuse(self, digest: TokenDigest, *, now: datetime) -> bool:
        """PENDING → REFUSED."""

    async def redeem(self, digest: TokenDigest, *, now: datetime) -> DeviceRequest | None:
        """APPROVED → REDEEMED. Exactly one concurrent caller gets it; None when its grant has been revoked."""


class OneTimeStore(Protocol):
    """What may be seen once: the `jti` of an assertion or of a proof."""

    async def use(self, kind: str, digest: TokenDigest, *, expires_at: datetime, now: datetime) -> bool:
        """True for the first caller of all replicas, until it expires."""


class ConsentStore(Protocol):
    async def remember(self, consent: Consent) -> None:
        """Replaces what was remembered for the same key."""

    async def find(self, key: ConsentKey) -> Consent | None: ...

    async def forget(self, key: ConsentKey) -> bool: ...

    async def list_of(self, tenant: TenantId, user: str) -> Sequence[Consent]: ...

    async def forget_client(self, client_id: ClientId) -> int:
        """Every person's answer about this client. How many there were."""


class SessionStore(Protocol):
    async def add(self, session: Session) -> None: ...

    async def get(self, digest: TokenDigest, *, now: datetime) -> Session | None: ...

    async def remove(self, digest: TokenDigest) -> bool: ...

    async def remove_of(self, tenant: TenantId, user: str) -> int:
        """Sign this person out of every browser. How many there were."""


class GrantStore(Protocol):
    """Grants and sessions come back without the identity's claims, which are for the sign-in only."""

    async def add(self, grant: Grant) -> None:
        """One that names kept tokens which are gone is kept without them; else they stay as long as it lives."""

    async def get(self, grant_id: GrantId) -> Grant | None:
        """The grant, revoked or not."""

    async def list_live(
        self,
        *,
        tenant: TenantId | None = None,
        user: str = "",
        client_id: str = "",
        resource: str = "",
        limit: int = 1000,
    ) -> Sequence[Grant]:
        """Those of this tenant, this person, this client and this resource, where they are named; the newest first."""

    async def revoke(self, grant_id: GrantId, *, now: datetime, tokens_expire_at: datetime) -> bool:
        """Mark it revoked and announce that to every replica, in one step that cannot happen half.

        True for the one caller whose call revoked it. `tokens_expire_at`: when the last access token dies by itself.
        """

    async def revoke_all(self, revocation: Revocation) -> Sequence[Grant]:
        """Everything of a user or a client, and the announcement, in one step. Those that this call revoked."""


class CodeStore(Protocol):
    async def add(self, code: AuthorizationCode) -> None: ...

    async def get(self, digest: TokenDigest) -> AuthorizationCode | None:
        """Look without taking: to check what a redemption must prove, and to know a replay when one comes."""

    async def redeem(self, digest: TokenDigest, *, now: datetime) -> AuthorizationCode | None:
        """Take the code out of circulation and return it.

        Of any number of concurrent callers exactly one gets it; the others, callers after it expired, and callers
        whose grant has been revoked get None.
        """


class RefreshTokenStore(Protocol):
    async def add(self, token: RefreshToken) -> None: ...

    async def find(self, digest: TokenDigest) -> RefreshToken | None:
        """The token, spent or not, expired or not."""

    async def rotate(
        self, digest: TokenDigest, successor: RefreshToken, sealed_successor: bytes, *, now: datetime
    ) -> bool:
        """Spend the token, add its successor, and note the use in its grant, in one step.

        True for exactly one of any number of concurrent callers; False when it was spent, has expired, or its grant is
        revoked.
        """


class KeptTokenStore(Protocol):
    """The sealed tokens of identity providers."""

    async def add(self, kept: KeptTokens) -> None: ...

    async def get(self, tokens_id: str) -> KeptTokens | None: ...

    async def replace(self, kept: KeptTokens, sealed: bytes) -> bool:
        """Write the next version. False when another version has been written since `kept` was read."""

    async def lease(self, tokens_id: str, *, now: datetime, until: datetime) -> bool:
        """The right to refresh it, for one caller of all replicas at a time. `replace` ends it."""

    async def release(self, tokens_id: str) -> None:
        """Give the lease back without a new version."""

    async def drop_unused(self, tokens_id: str, *, now: datetime) -> KeptTokens | None:
        """Delete it when no live session and no live grant needs it. Exactly one concurrent caller gets it."""

    async def sealed_otherwise(self, prefix: bytes, *, limit: int = 100) -> Sequence[KeptTokens]:
        """Those whose sealed value does not begin like this: what another key has sealed."""


class BlockStore(Protocol):
    async def add(self, block: Block) -> None:
        """Replaces an earlier one of the same value."""

    async def find(self, kind: BlockKind, tenant: TenantId, value: str) -> Block | None: ...

    async def remove(self, kind: BlockKind, tenant: TenantId, value: str) -> bool: ...

    async def list_all(self) -> Sequence[Block]: ...


class RevocationFeed(Protocol):
    async def announce(self, revocation: Revocation) -> None: ...

    async def news(self, position: int, *, now: datetime) -> tuple[Sequence[Revocation], int]:
        """All that was announced at or after this position (0: from the beginning) and still matters; and the position
        to go on from.

        Positions are microseconds of the store's own clock: replicas whose clocks differ read one feed.
        """


class AuditLog(Protocol):
    async def record(self, event: AuditEvent) -> None:
        """Durable when it returns."""

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        """The newest events, newest first."""


class Housekeeping(Protocol):
    async def sweep(self, *, now: datetime, unused_since: datetime | None = None) -> int:
        """Delete what has expired and blank the sealed successors whose window has passed. How many rows it touched.

        A grant goes a day after its end, kept tokens with the last grant or session that names them. Registered clients
        go that have never got a token and registered before `unused_since`.
        """


class Store(Protocol):
    """All of it, behind one address."""

    @property
    def clients(self) -> ClientStore: ...
    @property
    def requests(self) -> AuthorizationRequestStore: ...
    @property
    def pushed_requests(self) -> PushedRequestStore: ...
    @property
    def device_requests(self) -> DeviceRequestStore: ...
    @property
    def one_time(self) -> OneTimeStore: ...
    @property
    def kept_tokens(self) -> KeptTokenStore: ...
    @property
    def blocks(self) -> BlockStore: ...
    @property
    def consents(self) -> ConsentStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def grants(self) -> GrantStore: ...
    @property
    def codes(self) -> CodeStore: ...
    @property
    def refresh_tokens(self) -> RefreshTokenStore: ...
    @property
    def revocations(self) -> RevocationFeed: ...
    @property
    def audit(self) -> AuditLog: ...
    @property
    def housekeeping(self) -> Housekeeping: ...

    async def ping(self) -> None:
        """Raises `StoreUnavailable` when the store cannot answer."""

    async def bind_keys(self, check: Mapping[str, bytes]) -> bool:
        """Remember the key ring's check values (key id → value), or compare with what is remembered.

        False when a key id is known with another value, or when none of the ring's ids is known to a store that has
        some: then the ring belongs to another store.
        """

    async def close(self) -> None:
        """What is asked afterwards raises `StoreUnavailable`. Closing twice does nothing."""


# --- keys -----------------------------------------------------------------------------------------------------------


class Sealer(Protocol):
    """Authenticated encryption at rest and in tokens. A value sealed for one purpose opens for no other."""

    def seal(self, purpose: str, plaintext: bytes, context: bytes = b"") -> bytes:
        """AES-256-GCM under the newest key; the key's id and a fresh nonce are in the result, as bytes."""

    def open(self, purpose: str, sealed: bytes, context: bytes = b"") -> bytes | None:
        """The plaintext, or None for anything that this ring did not seal for this purpose and context."""


class Authenticator(Protocol):
    """Short keyed tags that bind two things together (a session and its principal, a form and its browser)."""

    def tag(self, purpose: str, message: bytes) -> str:
        """22 characters of base64url: 128 bits of HMAC-SHA-256 under the newest key."""

    def verify(self, purpose: str, message: bytes, tag: str) -> bool:
        """In constant time, under any key that is still accepted."""


class SigningKeys(Protocol):
    def sign_jwt(self, typ: str, claims: Mapping[str, Any]) -> str:
        """A JWT with ES256 under the newest key, whose `kid` the JWK Set has."""

    def public_jwks(self) -> Mapping[str, Any]:
        """RFC 7517 JWK Set with public members only."""


# --- who is calling -------------------------------------------------------------------------------------------------


class Doorkeeper(Protocol):
    """Who is calling? The resource server's answer to the gateway.

    `recognize` is the warm path: no I/O, no waiting. `admit` is the whole check. Both raise a `Refusal` with the code
    of docs/errors.md; neither lets a token pass whose audience is not exactly this resource.
    """

    def recognize(self, authorization: bytes | None, resource: Resource, now: float) -> Principal | None:
        """The principal when this header was admitted before and nothing has changed since; else None."""

    async def admit(self, authorization: bytes | None, resource: Resource, now: float) -> Principal:
        """Verify the header's token for this resource. `now`: seconds since the epoch."""

    def check_proof(
        self, principal: Principal, authorization: bytes, proofs: Sequence[str], *, method: str, url: str
    ) -> str:
        """For a principal whose token is bound to a key: raise `InvalidProof` unless this request proves it.

        `proofs`: the values of its DPoP headers. Returns the nonce to tell with the answer; for a bearer token
        nothing happens.
        """

    def on_revoked(self, listener: Callable[[Callable[[Principal], bool]], None]) -> None:
        """`listener` is called with a predicate whenever principals stop being welcome, to end their streams."""


class ProofChecker(Protocol):
    """Whether a request holds the key that its token is for (RFC 9449)."""

    def check(
        self,
        proofs: Sequence[str],
        *,
        method: str,
        url: str,
        access_token: str | None = None,
        remember: bool = True,
    ) -> Proof:
        """The proof, with a nonce of ours, and new to this replica if it is to `remember`.

        Raises `InvalidDpopProof`, or `UseDpopNonce` with the nonce to use.
        """

    def nonce(self) -> str:
        """The one to use next; good for five minutes at least, on every replica."""

    def offered_nonce(self) -> str:
        """The same for an answer to a good proof, so that the next is not refused (RFC 9449 §8.2); empty: none."""


class ProviderTokenKeeper(Protocol):
    """The tokens that identity providers gave us for people: kept sealed, refreshed once for all who wait."""

    async def keep(self, tokens: ProviderTokens, tenant: TenantId, user: str) -> str:
        """The id to find them by."""

    async def get(self, tokens_id: str) -> ProviderTokens:
        """Tokens that are good for another minute at least, refreshed if need be.

        Raises `ProviderSignInNeeded`, or `IdentityProviderUnavailable`.
        """

    async def drop(self, tokens_id: str) -> None:
        """Forget them if no session and no grant needs them any more, and tell the provider. Never raises for its
        sake."""


class TokenReader(Protocol):
    def read(self, token: str, now: float, *, even_revoked: bool = False) -> AccessToken:
        """What an access token of ours says, for whichever resource, if it is alive and not revoked.

        Raises a `Refusal`; `Unavailable` when it cannot be known whether it is revoked. `now`: seconds since the epoch.
        """


class Permission(Protocol):
    """May this principal do that? Raises `InsufficientScope` (with all missing scopes at once) or `PolicyDenied`."""

    def check(self, principal: Principal | None, resource: Resource) -> None: ...


class CredentialSource(Protocol):
    """What we show an upstream for a principal. It never sees the client's token."""

    async def headers_for(self, principal: Principal | None, upstream: Upstream) -> Sequence[tuple[bytes, bytes]]:
        """Header lines to inject, lower-case names. Raises `UpstreamCredentialFailed`: there is no fallback."""

    def cached(self, principal: Principal | None, upstream: Upstream) -> Sequence[tuple[bytes, bytes]] | None:
        """The same without waiting, or None when it has to be fetched."""

    def drop(self, principal: Principal | None, upstream: Upstream) -> None:
        """The upstream did not accept it; the next call fetches it anew."""


# --- identity providers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """What a provider needs to send a browser on its way. All of it is ours; nothing of the client's passes."""

    state: str
    nonce: str
    code_verifier: str
    callback_url: str
    prompt: frozenset[str] = frozenset()
    login_hint: str = ""
    max_age: int | None = None


class IdentityProvider(Protocol):
    """Who tells us who someone is."""

    @property
    def name(self) -> str:
        """Its name in the configuration and in /callback/{provider}."""

    @property
    def title(self) -> str:
        """What the button says."""

    async def begin(self, request: SignInRequest) -> str:
        """The URL to send the browser to. Raises `IdentityProviderUnavailable`."""

    async def finish(self, answer: Mapping[str, str], request: SignInRequest) -> SignedIn:
        """The identity behind the callback's query, after every check the protocol has, and the provider's tokens.

        Raises `PageError` (the answer is not acceptable; nobody is signed in), `AccessDenied` (the person or the
        provider said no) or `IdentityProviderUnavailable`.
        """

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        """Newer tokens; what the answer leaves out is kept from the old ones.

        Raises `ProviderSignInNeeded` when only the person can help (the refresh token has ended, or there is none), and
        `IdentityProviderUnavailable` when another try may: then the old refresh token is still good.
        """

    async def revoke(self, tokens: ProviderTokens) -> None:
        """Tell the provider that we need them no more, where it has a way to be told. Never raises: best effort."""

    async def ping(self) -> None:
        """Raises `IdentityProviderUnavailable` when it cannot be reached."""


# --- the outside ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FetchedDocument:
    """What a guarded GET brought: status 200 only, the body capped."""

    url: str
    content_type: str
    body: bytes
    headers: Mapping[str, str]


class DocumentFetcher(Protocol):
    """The guarded GET for every URL that a stranger can steer."""

    async def fetch(self, url: str, *, cap: int) -> FetchedDocument:
        """At most `cap` bytes of a 200 answer, within five seconds in all, over verified https.

        Raises `FetchRefused` or `FetchError`, with one message for all causes: the caller may be a stranger's agent.
        """


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient(Protocol):
    """The plain client for URLs of the operator's configuration (identity providers)."""

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer: ...

    async def post_form(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """Raises `FetchError`. Never retried: a form may carry a one-time code."""

    async def send_json(
        self, method: str, url: str, document: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """POST, PUT, PATCH or DELETE with a JSON body. Raises `FetchError`. Never retried."""
