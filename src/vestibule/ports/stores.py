"""The durable store, one Protocol a noun; see the promises in `vestibule.ports`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from vestibule.model import (
    ApiKey,
    AuditEvent,
    AuditFilter,
    AuditHead,
    AuditLink,
    AuditPlace,
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
    PushedRequest,
    RefreshToken,
    Revocation,
    Session,
    SignIn,
    Tenant,
    TenantId,
    TenantState,
    TokenDigest,
)


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
    """Grants and sessions come back without the identity's claims, which are for the sign-in only.

    Neither a grant, a session, kept tokens, a consent nor an API key is added in the name of a tenant that is
    suspended or deleted: that raises `TenantClosed`, and a tenant does not change while one is being added.
    """

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
        """All of a user, a client or a tenant, and the announcement, in one step. Those that this call revoked."""


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


class ApiKeyStore(Protocol):
    async def add(self, key: ApiKey) -> None: ...

    async def find(self, digest: TokenDigest) -> ApiKey | None:
        """The key, expired, revoked or not."""

    async def get(self, key_id: str, *, tenant: TenantId | None = None) -> ApiKey | None:
        """The same by its id. With `tenant`, another tenant's key is not found."""

    async def list_of(self, tenant: TenantId | None = None) -> Sequence[ApiKey]:
        """Those of a tenant, or of all; the newest first, revoked ones as well."""

    async def revoke(self, key_id: str, revocation: Revocation, *, tenant: TenantId | None = None) -> bool:
        """Mark it revoked and announce that to every replica, in one step.

        True for the one caller whose call revoked it. With `tenant`, another tenant's key is not found.
        """

    async def touch(self, key_id: str, *, now: datetime) -> None:
        """It has been used."""


class TenantStore(Protocol):
    async def add(self, tenant: Tenant) -> bool:
        """False when the name is taken, by a deleted tenant too."""

    async def get(self, tenant: TenantId) -> Tenant | None: ...

    async def list_all(self) -> Sequence[Tenant]:
        """By name, deleted ones as well."""

    async def change(
        self, tenant: TenantId, state: TenantState, *, now: datetime, revocation: Revocation | None = None
    ) -> bool:
        """To another state, and the announcement, in one step. False where it is in that state already, or deleted."""

    async def erase(self, tenant: TenantId) -> Sequence[str]:
        """Forget what a deleted tenant had beside its grants, its title as well; of any other tenant nothing.

        Returns the ids of the providers' tokens that are still kept for its people: they are to be given back.
        """


class TenantDatabases(Protocol):
    """The rooms of a tenant's own data, apart from everybody else's."""

    async def make(self, tenant: TenantId) -> None:
        """Nothing happens where it is there already."""

    async def drop(self, tenant: TenantId) -> bool:
        """With all that is in it. Whether there was one."""


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

    async def record_all(self, events: Sequence[AuditEvent]) -> Sequence[AuditLink]:
        """In this order, all or none, each at the end of its tenant's chain. Durable when it returns.

        Raises `StoreUnavailable` for a chain whose head is not ours: nothing is built on what somebody else wrote.
        """

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        """The newest events, newest first."""


class AuditHistory(Protocol):
    """The trail, looked at. Nothing here loads more than `limit` rows."""

    async def search(self, wanted: AuditFilter, *, limit: int = 100, before: int | None = None) -> Sequence[AuditLink]:
        """The newest that fit, newest first; with `before`, only rows below that number."""

    async def tenants(self) -> Sequence[str]:
        """Every tenant that has an event or a head."""

    async def head(self, tenant: str) -> AuditHead | None: ...

    async def links(
        self, tenant: str, *, after: AuditPlace = (0, 0), up_to: int | None = None, limit: int = 1000
    ) -> Sequence[AuditLink]:
        """A tenant's chain in its order, from behind this place up to this sequence."""

    async def span(self, tenant: str, *, since: datetime | None, until: datetime | None) -> tuple[int, int]:
        """The sequences of the first event since then and of the last before `until`. (1, 0): none."""

    async def retag(self, *, accept: bool = False) -> Sequence[str]:
        """Tag every head that is ours with the key in use. The tenants whose head is not ours.

        With `accept` those are tagged as well, each at the last link that there is: somebody has looked at it.
        """


class AuditStore(AuditLog, AuditHistory, Protocol):
    """The trail as a store keeps it."""


class Housekeeping(Protocol):
    async def sweep(self, *, now: datetime, unused_since: datetime | None = None) -> int:
        """Delete what has expired and blank the sealed successors whose window has passed. How many rows it touched.

        A grant goes a day after its end, kept tokens with the last grant or session that names them. Registered clients
        go that have never got a token and registered before `unused_since`; API keys 90 days after their end.
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
    def api_keys(self) -> ApiKeyStore: ...
    @property
    def tenants(self) -> TenantStore: ...
    @property
    def revocations(self) -> RevocationFeed: ...
    @property
    def audit(self) -> AuditStore: ...
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
