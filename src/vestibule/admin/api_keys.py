"""API keys: making one, seeing which there are, ending one.

A key is never more than whoever makes it may give: scopes that there are, of upstreams that there are, in a tenant that
they administer. The key itself is in the answer of the one call that made it, and nowhere else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from vestibule.admin.entrance import Administrator
from vestibule.errors import InvalidRequest, InvalidScope, NotFound, TenantDenied
from vestibule.model import (
    DEFAULT_TENANT,
    ApiKey,
    AuditEvent,
    Revocation,
    RevocationKind,
    Secret,
    TenantId,
    Upstream,
)
from vestibule.ports import AuditLog, Clock, Entropy, Store, TenantGate
from vestibule.protocol.api_key import ID_BYTES, RANDOM_BYTES, write_api_key, write_key_id
from vestibule.protocol.scope import permitted

MAX_NAME = 100  # characters
MAX_ITEMS = 100  # scopes, or upstreams, of a key
LONGEST = timedelta(days=3650)
# Longer than any replica takes a key for verified, however much their clocks differ.
REVOCATION_KNOWN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What somebody asks for."""

    name: str
    tenant: TenantId | None = None  # None: their own
    scopes: tuple[str, ...] = ()  # empty: the default scopes of its upstreams
    upstreams: tuple[str, ...] = ()  # empty: all
    lifetime: timedelta | None = None  # None: until it is revoked


class ApiKeyOffice:
    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        *,
        tenants: TenantGate,
        upstreams: Sequence[Upstream],
        permissions: Mapping[str, frozenset[str]],
        announce: Callable[[Revocation], None],
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """`permissions`: role → scopes that only people of this role have. `announce`: tells this replica at once."""
        self._store = store
        self._audit = audit
        self._tenants = tenants
        self._upstreams = {upstream.name: upstream for upstream in upstreams}
        self._permissions = permissions
        self._announce = announce
        self._clock = clock
        self._entropy = entropy

    async def create(self, new: NewKey, by: Administrator) -> tuple[ApiKey, Secret]:
        """The key, which nobody sees again, and what is kept of it. Raises `InvalidRequest`, `InvalidScope`."""
        check_new_key(new)
        tenant = await self._tenant_for(new, by)
        scopes = self._scopes_for(new, by)
        now = self._clock()
        secret = write_api_key(self._entropy(RANDOM_BYTES))
        key = ApiKey(
            key_id=write_key_id(self._entropy(ID_BYTES)),
            digest=secret.digest(),
            tenant=tenant,
            name=new.name,
            scopes=scopes,
            created_at=now,
            created_by=by.actor,
            upstreams=new.upstreams,
            expires_at=None if new.lifetime is None else now + new.lifetime,
        )
        # First: a key that the trail could not be told of would open doors that nobody knows of.
        await self._record("api_key.create", key, by)
        await self._store.api_keys.add(key)
        return key, secret

    async def list_for(self, by: Administrator, tenant: TenantId | None = None) -> Sequence[ApiKey]:
        """The newest first, revoked and expired ones as well. Another's tenant has none."""
        if by.tenant is not None and tenant not in (None, by.tenant):
            return ()
        return await self._store.api_keys.list_of(tenant if by.tenant is None else by.tenant)

    async def revoke(self, key_id: str, by: Administrator, *, reason: str = "") -> ApiKey:
        """End it: here at once, everywhere within five seconds.

        Raises `NotFound`, in the same words for a key that there is not, one that was revoked before, and another
        tenant's.
        """
        key = await self._store.api_keys.get(key_id, tenant=by.tenant)
        now = self._clock()
        revocation = Revocation(RevocationKind.TOKEN, key_id, now, now + REVOCATION_KNOWN)
        if key is None or not await self._store.api_keys.revoke(key_id, revocation, tenant=by.tenant):
            raise NotFound("There is no such API key.", action="Look at the list for its id.")
        self._announce(revocation)
        await self._record("api_key.revoke", key, by, reason=reason)
        return key

    async def _tenant_for(self, new: NewKey, by: Administrator) -> TenantId:
        tenant = new.tenant or by.tenant or DEFAULT_TENANT
        if by.tenant is not None and tenant != by.tenant:
            raise InvalidRequest("There is no such tenant.", action="Leave it out: it is yours.")
        try:
            await self._tenants.check_open(tenant, fresh=True)
        except TenantDenied as error:
            raise InvalidRequest(
                f"The tenant {tenant} is unknown, suspended or deleted.",
                action="Say whose key it is (--tenant, or `tenant` in a request): `vestibule tenant list` shows them.",
            ) from error
        return tenant

    def _scopes_for(self, new: NewKey, by: Administrator) -> tuple[str, ...]:
        if unknown := [name for name in new.upstreams if name not in self._upstreams]:
            raise InvalidRequest(
                f"There is no upstream {unknown[0]!r}.", action=f"There are: {_list(self._upstreams)}."
            )
        upstreams = [self._upstreams[name] for name in new.upstreams or self._upstreams]
        offered = dict.fromkeys(scope for one in upstreams for scope in (*one.scopes, *one.optional_scopes))
        if strange := [scope for scope in new.scopes if scope not in offered]:
            raise InvalidScope(
                f"No upstream of this key has the scope {strange[0]!r}.", action=f"Use {_list(offered)}."
            )
        wanted = new.scopes or tuple(dict.fromkeys(scope for one in upstreams for scope in one.scopes))
        if by.roles is None:
            return wanted
        theirs = permitted(wanted, by.roles, self._permissions)
        if new.scopes and theirs != wanted:
            raise InvalidScope("Your roles do not give every scope that this key would have.", action="Ask for less.")
        return theirs

    async def _record(self, action: str, key: ApiKey, by: Administrator, *, reason: str = "") -> None:
        facts = {"name": key.name, "scope": " ".join(key.scopes), "upstreams": " ".join(key.upstreams)}
        if key.expires_at is not None:
            facts["expires_at"] = key.expires_at.isoformat()
        await self._audit.record(
            AuditEvent(
                at=self._clock(),
                action=action,
                outcome="allowed",
                request_id=by.request_id,
                actor=by.actor,
                client_id=by.client_id,
                tenant=key.tenant,
                target=key.key_id,
                reason=reason,
                address=by.address,
                facts={name: text for name, text in facts.items() if text},
            )
        )


def check_new_key(new: NewKey) -> None:
    """What can be said of it without knowing anything else. Raises `InvalidRequest`."""
    if not new.name.strip() or len(new.name) > MAX_NAME or not new.name.isprintable():
        raise InvalidRequest(f"A key has a name: 1 to {MAX_NAME} printable characters.")
    if new.lifetime is not None and not timedelta(0) < new.lifetime <= LONGEST:
        raise InvalidRequest(f"A key lives for up to {LONGEST.days} days, or until it is revoked.")


def read_new_key(body: Mapping[str, Any]) -> NewKey:
    """What the body of a request asks for, nothing guessed. Raises `InvalidRequest`."""
    if unknown := sorted(body.keys() - {"name", "tenant", "scopes", "upstreams", "expires_in"}):
        raise InvalidRequest(f"There is no member {unknown[0][:100]!r} here.")
    name, tenant, seconds = body.get("name"), body.get("tenant"), body.get("expires_in")
    if not isinstance(name, str):
        raise InvalidRequest("The member name is missing, or is no string.")
    if tenant is not None and (not isinstance(tenant, str) or not tenant or len(tenant) > 200):
        raise InvalidRequest("The member tenant is no tenant's name.")
    if seconds is not None and (not isinstance(seconds, int) or isinstance(seconds, bool) or abs(seconds) > 10**9):
        raise InvalidRequest("The member expires_in is no whole number of seconds.")
    lifetime = None if seconds is None else timedelta(seconds=seconds)
    return NewKey(name, tenant, _strings(body, "scopes"), _strings(body, "upstreams"), lifetime)


def facts_of(key: ApiKey) -> dict[str, Any]:
    """What lists show. The digest stays inside."""
    return {
        "id": key.key_id,
        "name": key.name,
        "tenant": key.tenant,
        "scopes": key.scopes,
        "upstreams": key.upstreams,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _strings(body: Mapping[str, Any], member: str) -> tuple[str, ...]:
    value = body.get(member, [])
    if not isinstance(value, list) or len(value) > MAX_ITEMS or not all(isinstance(one, str) for one in value):
        raise InvalidRequest(f"The member {member} is no list of strings.")
    return tuple(dict.fromkeys(value))


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(list(names)[:20])
