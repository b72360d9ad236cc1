"""What the endpoints share: settings, ports, and the few steps that more than one of them takes."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from vestibule.authorization_server.assertion_issuers import AssertionIssuers
from vestibule.authorization_server.client_keys import ClientKeys
from vestibule.authorization_server.clients import ClientDirectory, is_url
from vestibule.authorization_server.lifetimes import LifetimeRule, Lifetimes, lifetimes_for, longest_access_token
from vestibule.authorization_server.replies import Browser, Context, Cookie, CookieName
from vestibule.authorization_server.token_limits import TokenLimits
from vestibule.errors import AccessDenied, TenantClosed, TenantDenied
from vestibule.model import (
    DEFAULT_TENANT,
    AuditEvent,
    AuthorizationCode,
    AuthorizationRequest,
    BlockKind,
    Client,
    Consent,
    ConsentKey,
    Grant,
    Identity,
    Outcome,
    Resource,
    Revocation,
    Session,
    SignedIn,
    TenantId,
    digest,
)
from vestibule.ports import (
    AuditLog,
    Authenticator,
    Clock,
    Entropy,
    IdentityProvider,
    ProofChecker,
    ProviderTokenKeeper,
    Sealer,
    SigningKeys,
    Store,
    TenantGate,
    TenantMap,
    Throttle,
    TokenReader,
)
from vestibule.protocol.redirect_uri import without_loopback_port

CODE_PREFIX = "vac_"
REFRESH_PREFIX = "vrt_"
DEVICE_CODE_PREFIX = "vdc_"
CLIENT_SECRET_PREFIX = "vcs_"  # noqa: S105 - a prefix, not a secret
CLIENT_ID_PREFIX = "vci_"

CLOCK_MARGIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class RegistrationLimits:
    """What keeps strangers from filling the store with clients."""

    per_hour: int = 150  # from one network
    unused: int = 10_000  # clients that never got a token; beyond that nobody registers
    unused_lifetime: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decided."""

    issuer: str
    resources: tuple[Resource, ...]
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    lifetime_rules: tuple[LifetimeRule, ...] = ()
    registration: bool = True
    registration_limits: RegistrationLimits = RegistrationLimits()
    client_documents: bool = True
    needs_pushed_requests: bool = False
    token_format: Literal["sealed", "signed"] = "sealed"  # noqa: S105 - a form, not a secret
    permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Role → the scopes that only people of this role are granted."""
    token_limits: TokenLimits = field(default_factory=TokenLimits)
    default_tenant: TenantId = DEFAULT_TENANT
    """Of clients that act in their own name and are nobody's in particular; empty: there is none."""

    @property
    def longest_access_token(self) -> timedelta:
        return longest_access_token(self.lifetimes, self.lifetime_rules)


@dataclass(slots=True)
class AuthorizationServer:
    """Our issuer. It holds no state of its own: everything durable is in the store."""

    settings: Settings
    store: Store
    clients: ClientDirectory
    providers: Mapping[str, IdentityProvider]
    sealer: Sealer
    authenticator: Authenticator
    audit: AuditLog
    clock: Clock
    entropy: Entropy
    signer: SigningKeys
    proofs: ProofChecker
    tokens: TokenReader
    client_keys: ClientKeys
    assertion_issuers: AssertionIssuers
    provider_tokens: ProviderTokenKeeper
    throttle: Throttle
    tenants: TenantMap
    tenant_gate: TenantGate
    announce: Callable[[Revocation], None] = field(default=lambda revocation: None)
    """Tells the resource server of this replica at once; the others hear of it through the store."""

    def token(self, prefix: str = "", size: int = 32) -> str:
        """A fresh secret of `size` random bytes, in base64url."""
        return prefix + base64.urlsafe_b64encode(self.entropy(size)).rstrip(b"=").decode()

    @staticmethod
    def moment(seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, UTC)

    def offered_scopes(self, resource: Resource) -> tuple[str, ...]:
        return (*resource.upstream.scopes, *resource.upstream.optional_scopes)

    def lifetimes_for(self, client: Client) -> Lifetimes:
        return lifetimes_for(client, self.settings.lifetimes, self.settings.lifetime_rules)

    def tenant_of(self, identity: Identity) -> TenantId:
        """Whose this person is. Raises `AccessDenied` for nobody's."""
        tenant = self.tenants.tenant_of(identity)
        if tenant is None:
            raise AccessDenied(
                "Your account belongs to no organisation that may sign in here.",
                action="Sign in with the account of your organisation, or ask the operator.",
                detail=f"no tenant: {identity.user}, {identity.email or 'no verified address'}",
            )
        return tenant

    async def check_welcome(self, tenant: TenantId, user: str) -> None:
        """Raise `AccessDenied` for somebody who has been blocked, or whose tenant is not open."""
        try:
            await self.tenant_gate.check_open(tenant, fresh=True)
        except TenantDenied as error:
            raise TenantClosed(error.message, action=error.action, detail=error.detail) from error
        if await self.store.blocks.find(BlockKind.USER, tenant, user) is not None:
            raise AccessDenied("This person may not sign in here any more.", action="Ask the operator.", detail=user)

    @staticmethod
    def check_client_serves(client: Client | None, tenant: TenantId) -> None:
        """Raise `AccessDenied` where the operator's file gives the client to another tenant."""
        if client is not None and client.tenant not in ("", tenant):
            raise AccessDenied(
                "This application is not for your organisation.",
                action="Ask the operator.",
                detail=f"{client.client_id} is of {client.tenant}, and the person of {tenant}",
            )

    def check_still_of(self, tenant: TenantId, identity: Identity) -> None:
        """Raise `AccessDenied` where the operator's file has moved this person to another tenant, or to none."""
        if not self.tenants.keeps(identity, tenant):
            raise AccessDenied(
                "This sign-in is of an organisation that you are not one of any more.",
                action="Sign in again.",
                detail=f"{identity.user} is not of {tenant} any more",
            )

    async def remember_client(self, client_id: str, context: Context) -> None:
        """Somebody has approved it: what its document says is kept, for the day its host is down."""
        if is_url(client_id):
            client = await self.clients.for_authorize(client_id, context.address)
            await self.clients.remember(client, now=self.clock())

    def resource(self, identifier: str) -> Resource | None:
        return next((found for found in self.settings.resources if found.identifier == identifier), None)

    async def record(
        self,
        context: Context,
        action: str,
        outcome: Outcome,
        *,
        actor: str = "",
        client_id: str = "",
        tenant: str = DEFAULT_TENANT,
        target: str = "",
        reason: str = "",
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Write the trail before the answer is sent."""
        await self.audit.record(
            AuditEvent(
                at=self.clock(),
                action=action,
                outcome=outcome,
                request_id=context.request_id,
                actor=actor,
                client_id=client_id[:2048],
                tenant=tenant,
                target=target[:2048],
                reason=reason[:500],
                address=context.address,
                facts=facts or {},
            )
        )

    # --- browsers ---------------------------------------------------------------------------------------------------

    async def session_of(self, browser: Browser) -> Session | None:
        """Who is signed in; nobody while their tenant is closed, or when they are not one of it any more."""
        session = await self._kept_session(browser)
        if session is None or not self.tenants.keeps(session.identity, session.tenant):
            return None
        try:
            await self.tenant_gate.check_open(session.tenant)
        except TenantDenied:
            return None
        return session

    async def _kept_session(self, browser: Browser) -> Session | None:
        if not browser.session:
            return None
        return await self.store.sessions.get(digest(browser.session), now=self.clock())

    async def open_session(self, signed_in: SignedIn, tenant: str, browser: Browser) -> tuple[Session, Cookie]:
        """A new session with a new id; the one this browser came with ends, whoever set it."""
        now, lifetime = self.clock(), self.settings.lifetimes.session
        await self.close_session(browser)
        identity, tokens = signed_in.identity, signed_in.tokens
        value = self.token()
        session = Session(
            digest=digest(value),
            identity=identity,
            tenant=tenant,
            signed_in_at=now,
            expires_at=now + lifetime,
            tokens_id=await self.provider_tokens.keep(tokens, tenant, identity.user) if tokens is not None else "",
        )
        try:
            await self.store.sessions.add(session)
        except TenantClosed:  # in this very moment
            await self.provider_tokens.drop(session.tokens_id)
            raise
        return session, Cookie(CookieName.SESSION, value, int(lifetime.total_seconds()))

    async def close_session(self, browser: Browser) -> Session | None:
        """End this browser's session; the provider's tokens go with it unless a grant needs them."""
        session = await self._kept_session(browser)
        if session is not None:
            await self.store.sessions.remove(session.digest)
            if session.tokens_id:
                await self.provider_tokens.drop(session.tokens_id)
        return session

    # --- grants -----------------------------------------------------------------------------------------------------

    async def remember_consent(self, request: AuthorizationRequest, session: Session, *, approved: bool) -> None:
        key = consent_key(request, session)
        known = await self.store.consents.find(key)
        kept = known.scopes if known is not None and known.approved == approved else frozenset[str]()
        await self.store.consents.remember(
            Consent(key=key, scopes=kept | frozenset(request.scopes), approved=approved, decided_at=self.clock())
        )

    async def issue_code(self, grant: Grant, request: AuthorizationRequest) -> str:
        """Store a new grant and the code that redeems it; returns the code."""
        await self.store.grants.add(grant)
        code = self.token(CODE_PREFIX)
        await self.store.codes.add(
            AuthorizationCode(
                digest=digest(code),
                grant_id=grant.grant_id,
                client_id=grant.client_id,
                redirect_uri=request.redirect_uri,
                redirect_uri_given=request.redirect_uri_given,
                code_challenge=request.code_challenge,
                scopes=grant.scopes,
                resource=grant.resource,
                expires_at=self.clock() + self.settings.lifetimes.code,
                key_thumbprint=request.key_thumbprint,
            )
        )
        return code


def consent_key(request: AuthorizationRequest, session: Session) -> ConsentKey:
    return ConsentKey(
        tenant=session.tenant,
        user=session.identity.user,
        client_id=request.client_id,
        redirect_uri=without_loopback_port(request.redirect_uri),
        resource=request.resource,
    )


def is_recent(session: Session, *, prompt: frozenset[str], max_age: int | None, now: datetime) -> bool:
    """Whether this sign-in is good enough for the request, or the person must sign in anew."""
    if prompt & {"login", "select_account"}:
        return False
    return max_age is None or now - session.signed_in_at <= timedelta(seconds=max_age)
