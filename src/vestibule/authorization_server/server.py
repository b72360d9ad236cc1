"""What the endpoints share: settings, ports, and the few steps that more than one of them takes."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from vestibule.authorization_server.clients import ClientDirectory
from vestibule.authorization_server.replies import Browser, Context, Cookie, CookieName
from vestibule.model import (
    DEFAULT_TENANT,
    AuditEvent,
    AuthorizationCode,
    Consent,
    ConsentKey,
    Grant,
    Identity,
    Outcome,
    Resource,
    Revocation,
    RevocationKind,
    Session,
    digest,
)
from vestibule.ports import AuditLog, Authenticator, Clock, Entropy, IdentityProvider, Sealer, Store
from vestibule.protocol.redirect_uri import without_loopback_port

CODE_PREFIX = "vac_"
REFRESH_PREFIX = "vrt_"
CLIENT_SECRET_PREFIX = "vcs_"  # noqa: S105 - a prefix, not a secret
CLIENT_ID_PREFIX = "vci_"

CLOCK_MARGIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things live. The numbers come from the configuration."""

    request: timedelta = timedelta(minutes=10)
    code: timedelta = timedelta(seconds=60)
    access_token: timedelta = timedelta(minutes=10)
    refresh_token: timedelta = timedelta(days=30)
    refresh_grace: timedelta = timedelta(seconds=45)
    session: timedelta = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decided."""

    issuer: str
    resources: tuple[Resource, ...]
    lifetimes: Lifetimes = Lifetimes()
    registration: bool = True
    client_documents: bool = True


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
    announce: Callable[[Revocation], None] = field(default=lambda revocation: None)
    """Tells the resource server of this replica at once; the others hear of it through the store."""

    def token(self, prefix: str = "", size: int = 32) -> str:
        """A fresh secret of `size` random bytes, in base64url."""
        return prefix + base64.urlsafe_b64encode(self.entropy(size)).rstrip(b"=").decode()

    def offered_scopes(self, resource: Resource) -> tuple[str, ...]:
        return resource.upstream.scopes

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
        if not browser.session:
            return None
        return await self.store.sessions.get(digest(browser.session), now=self.clock())

    async def open_session(self, identity: Identity, tenant: str, browser: Browser) -> Cookie:
        """A new session with a new id; the one this browser came with ends, whoever set it."""
        now, lifetime = self.clock(), self.settings.lifetimes.session
        if browser.session:
            await self.store.sessions.remove(digest(browser.session))
        value = self.token()
        await self.store.sessions.add(
            Session(digest=digest(value), identity=identity, tenant=tenant, signed_in_at=now, expires_at=now + lifetime)
        )
        return Cookie(CookieName.SESSION, value, int(lifetime.total_seconds()))

    # --- grants -----------------------------------------------------------------------------------------------------

    async def remember_consent(
        self,
        *,
        user: str,
        tenant: str,
        client_id: str,
        redirect_uri: str,
        resource: str,
        scopes: Sequence[str],
        approved: bool,
    ) -> None:
        key = consent_key(user=user, tenant=tenant, client_id=client_id, redirect_uri=redirect_uri, resource=resource)
        known = await self.store.consents.find(key)
        kept = known.scopes if known is not None and known.approved == approved else frozenset[str]()
        await self.store.consents.remember(
            Consent(key=key, scopes=kept | frozenset(scopes), approved=approved, decided_at=self.clock())
        )

    async def issue_code(self, grant: Grant, *, redirect_uri: str, redirect_uri_given: bool, challenge: str) -> str:
        """Store a new grant and the code that redeems it; returns the code."""
        await self.store.grants.add(grant)
        code = self.token(CODE_PREFIX)
        await self.store.codes.add(
            AuthorizationCode(
                digest=digest(code),
                grant_id=grant.grant_id,
                client_id=grant.client_id,
                redirect_uri=redirect_uri,
                redirect_uri_given=redirect_uri_given,
                code_challenge=challenge,
                scopes=grant.scopes,
                resource=grant.resource,
                expires_at=self.clock() + self.settings.lifetimes.code,
            )
        )
        return code

    async def revoke_grant(self, grant_id: str, context: Context, *, reason: str) -> bool:
        """End a grant and all that hangs on it: here at once, everywhere within seconds."""
        now = self.clock()
        tokens_expire_at = now + self.settings.lifetimes.access_token + CLOCK_MARGIN
        revoked = await self.store.grants.revoke(grant_id, now=now, tokens_expire_at=tokens_expire_at)
        self.announce(Revocation(RevocationKind.GRANT, grant_id, now, tokens_expire_at))
        if revoked:
            await self.record(context, "grant.revoke", "allowed", target=grant_id, reason=reason)
        return revoked


def consent_key(*, user: str, tenant: str, client_id: str, redirect_uri: str, resource: str) -> ConsentKey:
    return ConsentKey(
        tenant=tenant,
        user=user,
        client_id=client_id,
        redirect_uri=without_loopback_port(redirect_uri),
        resource=resource,
    )


def is_recent(session: Session, *, prompt: frozenset[str], max_age: int | None, now: datetime) -> bool:
    """Whether this sign-in is good enough for the request, or the person must sign in anew."""
    if prompt & {"login", "select_account"}:
        return False
    return max_age is None or now - session.signed_in_at <= timedelta(seconds=max_age)
