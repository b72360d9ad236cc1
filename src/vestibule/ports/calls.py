"""An MCP call on its way through: who is calling, may they, how often, and what opens the inner door."""

from collections.abc import Callable, Sequence
from typing import Protocol

from vestibule.errors import Allowance
from vestibule.model import (
    AccessToken,
    AuditEvent,
    Identity,
    Operation,
    Presented,
    Principal,
    Proof,
    ProviderTokens,
    Reading,
    Resource,
    TenantId,
    Upstream,
)


class Doorkeeper(Protocol):
    """Who is calling? The resource server's answer to the gateway.

    `recognize` is the warm path: no I/O, no waiting. `admit` is the whole check. Both raise a `Refusal` with the code
    of docs/errors.md; neither lets a token pass whose audience is not exactly this resource.
    """

    def recognize(self, presented: Presented, resource: Resource, now: float) -> Principal | None:
        """The principal when this was admitted before and nothing has changed since; else None."""

    async def admit(self, presented: Presented, resource: Resource, now: float) -> Principal:
        """Verify what was presented, for this resource. `now`: seconds since the epoch."""

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


class TokenVerifier(Protocol):
    """Who a token speaks for: one kind of token, of one or several issuers."""

    async def verify(self, token: str, resource: Resource, now: float, *, hint: str = "") -> Principal:
        """The principal, after every check this kind of token has.

        `hint`: which provider the caller says it is from; it may save a question, and proves nothing. Raises a
        `Refusal`; `Unavailable` where whoever must be asked cannot be.
        """


class TenantMap(Protocol):
    """Which organisation somebody belongs to, by what a provider has verified."""

    def tenant_of(self, identity: Identity) -> TenantId | None:
        """None: nobody's; such a person does not come in."""

    def keeps(self, identity: Identity, tenant: TenantId) -> bool:
        """Whether who has come in as one of this tenant is one of it still, as far as can be told without claims."""


class TenantGate(Protocol):
    """Whether a tenant is there, and open."""

    async def check_open(self, tenant: TenantId, *, fresh: bool = False) -> None:
        """Raises `TenantDenied` for one that is unknown, suspended or deleted.

        What is known of a moment ago is good enough, unless `fresh`.
        """


class Permission(Protocol):
    """May this principal do that? What a listing shows and what a call may do are this one decision."""

    def reading(self, resource: Resource) -> Reading:
        """How much of a request to this resource `check` wants to know. The same for as long as the process runs."""

    def check(self, principal: Principal | None, resource: Resource, operation: Operation, now: float) -> None:
        """Raises `InsufficientScope`, with every scope that the operation needs at once, `PolicyDenied`,
        `TenantDenied`, or `MissingAuthorization` where nobody's call is not allowed and somebody's might be.

        `principal`: None where anonymous access is allowed. `now`: seconds since the epoch.
        """

    def may_list(self, principal: Principal | None, resource: Resource, operation: Operation, now: float) -> bool:
        """Whether a listing shows the tool, prompt or resource that `operation` would use.

        `operation`: the call in question, such as `Operation("tools/call", name)`; its arguments are not looked at. A
        rule that hangs on arguments is left open: what some arguments could allow is shown. So whatever `check` lets
        pass is shown, and without such rules nothing else is.
        """


class CallLimits(Protocol):
    """How often an MCP caller may call: by tenant, principal, client and address, whichever are configured.

    It has a monotonic clock of its own: a wall clock that is set must neither lock anybody out nor let them start anew.
    `principal`: None for a caller who is not known, or was refused; those are counted by address, whatever is
    configured. `upstream`: its name. An answer with a `retry_after` above 0 is a refusal, and has counted nothing; one
    with a `limit` of 0 says that nothing limits this call.
    """

    def take(self, principal: Principal | None, address: str, upstream: str) -> Allowance | None:
        """Count one call, without waiting. None: this replica's share is used up, ask with `fetch`."""

    def counts_apart(self, upstream: str) -> bool:
        """Whether an upstream has rates of its own."""

    async def fetch(self, principal: Principal | None, address: str, upstream: str) -> Allowance:
        """The same, with the other replicas. When they cannot be asked, this replica's own count decides."""


class CallTrail(Protocol):
    """The trail of what was decided about calls. It is written soon, not before the answer."""

    def note(self, event: AuditEvent) -> None:
        """Raises `StoreUnavailable` when too many wait to be written: what cannot be told is not done."""


class CredentialSource(Protocol):
    """What we show an upstream for a principal. It never sees the client's token."""

    async def headers_for(self, principal: Principal | None, upstream: Upstream) -> Sequence[tuple[bytes, bytes]]:
        """Header lines to inject, lower-case names. Raises `UpstreamCredentialFailed`: there is no fallback."""

    def cached(self, principal: Principal | None, upstream: Upstream) -> Sequence[tuple[bytes, bytes]] | None:
        """The same without waiting, or None when it has to be fetched."""

    def drop(self, principal: Principal | None, upstream: Upstream) -> None:
        """The upstream did not accept it; the next call fetches it anew."""
