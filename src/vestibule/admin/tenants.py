"""The life of a tenant: made, suspended, resumed, deleted. Each is in the trail before it is answered.

    (named in the file) ──┐
                          ├─► ACTIVE ◄──────► SUSPENDED ──┐
        create ───────────┘      └─────────► DELETED ◄────┘   for ever: the name is not given again

Suspending keeps everything: people sign in again afterwards or their clients refresh, but what was issued before stays
dead. Deleting ends everything: first the state, in one step with the announcement to every replica, so that nothing is
begun any more; then what was given; then what is kept; the tenant's own database last. Whatever is interrupted is
finished by deleting again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from vestibule.errors import TenantNameTaken, UnknownTenant, WrongTenantName, WrongTenantState
from vestibule.model import (
    DEFAULT_TENANT,
    AuditEvent,
    Grant,
    Revocation,
    RevocationKind,
    Tenant,
    TenantId,
    TenantState,
)
from vestibule.model.tenant import OF_FILE, is_tenant_name
from vestibule.ports import AuditLog, Clock, ProviderTokenKeeper, Store, TenantDatabases

_MARGIN = timedelta(seconds=60)
_UNDER_WAY = timedelta(seconds=10)
"""A request that saw the tenant open a moment before, or on a replica whose clock is ahead, may still give a token:
what is issued so shortly after a suspension or deletion is dead as well."""


class Acting(Protocol):
    """Who does it, and from where: for the trail."""

    @property
    def request_id(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def actor(self) -> str: ...


class TenantAdmin:
    def __init__(
        self,
        *,
        store: Store,
        audit: AuditLog,
        clock: Clock,
        announce: Callable[[Revocation], None],
        provider_tokens: ProviderTokenKeeper,
        databases: TenantDatabases,
        named: frozenset[TenantId],
        longest_access_token: timedelta,
    ) -> None:
        """`named`: by the configuration. `announce`: tells this process at once; the others hear of it by the store."""
        self._store = store
        self._audit = audit
        self._clock = clock
        self._announce = announce
        self._provider_tokens = provider_tokens
        self._databases = databases
        self._named = named
        self._longest = longest_access_token

    async def list_all(self) -> Sequence[Tenant]:
        """By name: those that the configuration names, and those that somebody has made or changed."""
        found = {tenant: _named(tenant) for tenant in self._named}
        found |= {one.tenant: one for one in await self._store.tenants.list_all()}
        return [found[name] for name in sorted(found)]

    async def get(self, tenant: TenantId) -> Tenant:
        """Raises `UnknownTenant`."""
        row = await self._store.tenants.get(tenant)
        if row is None and tenant not in self._named:
            raise UnknownTenant(f"There is no tenant {tenant[:80]}.", action="Look at `vestibule tenant list`.")
        return row or _named(tenant)

    async def create(self, tenant: TenantId, acting: Acting, *, title: str = "") -> Tenant:
        """With its own database. Raises `WrongTenantName`, `TenantNameTaken`: no name is given twice.

        One that only a file has ever named has no row; it is known by the keys and grants that it left.
        """
        if not is_tenant_name(tenant) or tenant == "deny":
            raise WrongTenantName(
                "This is no name for a tenant.",
                action="Use 1 to 63 of a-z, 0-9 and -, with a letter or a digit at both ends; not deny.",
            )
        now = self._clock()
        made = Tenant(tenant, TenantState.ACTIVE, created_at=now, changed_at=now, title=title[:200])
        left = await self._store.api_keys.list_of(tenant) or await self._store.grants.list_live(tenant=tenant, limit=1)
        if left or not await self._store.tenants.add(made):
            raise TenantNameTaken(
                f"There is, or was, a tenant {tenant}.", action="Choose another name: none is given twice."
            )
        await self._databases.make(tenant)
        await self._record("tenant.create", tenant, acting)
        return made

    async def suspend(self, tenant: TenantId, acting: Acting, *, reason: str) -> Tenant:
        """Nobody of it comes in any more, and what is under way ends. Raises `UnknownTenant`, `WrongTenantState`."""
        await self._have_row(tenant)
        revocation = self._revocation(tenant)
        now = self._clock()
        if not await self._store.tenants.change(tenant, TenantState.SUSPENDED, now=now, revocation=revocation):
            raise await self._wrong_state(tenant, "suspended")
        self._announce(revocation)
        await self._record("tenant.suspend", tenant, acting, reason=reason)
        return await self.get(tenant)

    async def resume(self, tenant: TenantId, acting: Acting) -> Tenant:
        """Its people come in again, with new tokens. Raises `UnknownTenant`, `WrongTenantState`."""
        await self._have_row(tenant)
        if not await self._store.tenants.change(tenant, TenantState.ACTIVE, now=self._clock()):
            raise await self._wrong_state(tenant, "resumed")
        await self._record("tenant.resume", tenant, acting)
        return await self.get(tenant)

    async def delete(self, tenant: TenantId, acting: Acting, *, reason: str) -> int:
        """Everything of it ends, and nothing is kept but its name. How many grants ended. Raises `UnknownTenant`."""
        if tenant == DEFAULT_TENANT:
            raise WrongTenantState("The tenant `default` is this server's own.", action="Suspend it.")
        await self._have_row(tenant)
        revocation = self._revocation(tenant)
        await self._store.tenants.change(tenant, TenantState.DELETED, now=self._clock(), revocation=revocation)
        self._announce(revocation)
        await self._record("tenant.delete", tenant, acting, reason=reason)
        ended = await self._store.grants.revoke_all(revocation)
        self._announce_all(revocation, ended)
        for tokens_id in await self._store.tenants.erase(tenant):
            await self._provider_tokens.drop(tokens_id)
        await self._databases.drop(tenant)
        return len(ended)

    async def _have_row(self, tenant: TenantId) -> None:
        """One that only the configuration names gets a row, which can then be changed. Raises `UnknownTenant`."""
        known = await self.get(tenant)
        if known.is_of_file:
            await self._store.tenants.add(replace(known, changed_at=self._clock()))

    async def _wrong_state(self, tenant: TenantId, wanted: str) -> WrongTenantState:
        state = (await self.get(tenant)).state
        return WrongTenantState(f"The tenant {tenant} is {state}, and cannot be {wanted}.")

    def _revocation(self, tenant: TenantId) -> Revocation:
        until = self._clock() + _UNDER_WAY
        return Revocation(RevocationKind.TENANT, tenant, until, until + self._longest + _MARGIN, tenant)

    def _announce_all(self, revocation: Revocation, ended: Sequence[Grant]) -> None:
        for grant in ended:
            self._announce(replace(revocation, kind=RevocationKind.GRANT, value=grant.grant_id))

    async def _record(self, action: str, tenant: TenantId, acting: Acting, *, reason: str = "") -> None:
        await self._audit.record(
            AuditEvent(
                at=self._clock(),
                action=action,
                outcome="allowed",
                request_id=acting.request_id,
                actor=acting.actor,
                tenant=tenant,
                target=tenant,
                reason=reason[:500],
                address=acting.address,
            )
        )


def _named(tenant: TenantId) -> Tenant:
    return Tenant(tenant, TenantState.ACTIVE, created_at=OF_FILE, changed_at=OF_FILE)
