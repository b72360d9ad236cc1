"""What administrators ask of tenants, and which of it they may.

Operators of all tenants may do everything. For whoever administers one there are no others: an id that is not theirs is
answered as one that never was, before anything is looked up. Theirs they may look at, and no more.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vestibule.admin.entrance import Administrator
from vestibule.admin.tenants import TenantAdmin
from vestibule.errors import InvalidRequest, NotFound, PolicyDenied, UnknownTenant
from vestibule.model import AuditEvent, Tenant, TenantId
from vestibule.ports import AuditLog, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TITLE = 200  # characters


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What somebody asks for."""

    tenant: TenantId
    title: str = ""


class TenantRequests:
    def __init__(self, admin: Callable[[], TenantAdmin], audit: AuditLog, clock: Clock) -> None:
        """`admin`: asked for at each request, so that what it stands on is opened when somebody needs it."""
        self._admin = admin
        self._audit = audit
        self._clock = clock

    async def list_for(self, by: Administrator) -> Sequence[Tenant]:
        """By name."""
        if by.tenant is None:
            return await self._admin().list_all()
        try:
            return [await self._admin().get(by.tenant)]
        except UnknownTenant:  # the file does not name it any more
            return []

    async def create(self, new: NewTenant, by: Administrator) -> Tenant:
        """Raises `PolicyDenied`, `WrongTenantName`, `TenantNameTaken`."""
        await self._check_operator(by, "tenant.create", new.tenant)
        return await self._admin().create(new.tenant, by, title=new.title)

    async def suspend(self, tenant: TenantId, by: Administrator, *, reason: str) -> Tenant:
        """Raises `NotFound`, `PolicyDenied`, `WrongTenantState`."""
        await self._check_theirs(by, "tenant.suspend", tenant)
        with _unknown_is_not_found():
            return await self._admin().suspend(tenant, by, reason=reason)

    async def resume(self, tenant: TenantId, by: Administrator) -> Tenant:
        """Raises `NotFound`, `PolicyDenied`, `WrongTenantState`."""
        await self._check_theirs(by, "tenant.resume", tenant)
        with _unknown_is_not_found():
            return await self._admin().resume(tenant, by)

    async def delete(self, tenant: TenantId, by: Administrator, *, reason: str) -> int:
        """How many grants ended; of one that is deleted, what was left undone is done.

        Raises `NotFound`, `PolicyDenied`, `WrongTenantState`.
        """
        await self._check_theirs(by, "tenant.delete", tenant)
        with _unknown_is_not_found():
            return await self._admin().delete(tenant, by, reason=reason)

    async def _check_theirs(self, by: Administrator, action: str, tenant: TenantId) -> None:
        if by.tenant not in (None, tenant):
            raise _no_tenant()
        await self._check_operator(by, action, tenant)

    async def _check_operator(self, by: Administrator, action: str, tenant: TenantId) -> None:
        if by.tenant is None:
            return
        await self._audit.record(
            AuditEvent(
                at=self._clock(),
                action=action,
                outcome="denied",
                request_id=by.request_id,
                actor=by.actor,
                client_id=by.client_id,
                tenant=by.tenant,
                target=tenant,
                reason="only operators of all tenants may",
                address=by.address,
            )
        )
        raise PolicyDenied("Only operators of all tenants do this.", action="Ask one of them.")


def read_new_tenant(body: Mapping[str, Any]) -> NewTenant:
    """What the body of a request asks for, nothing guessed. Raises `InvalidRequest`."""
    if unknown := sorted(body.keys() - {"tenant", "title"}):
        raise InvalidRequest(f"There is no member {unknown[0][:100]!r} here.")
    tenant, title = body.get("tenant"), body.get("title", "")
    if not isinstance(tenant, str):
        raise InvalidRequest("The member tenant is missing, or is no string.")
    if not isinstance(title, str) or len(title) > MAX_TITLE or (title and not title.isprintable()):
        raise InvalidRequest(f"The member title is up to {MAX_TITLE} printable characters.")
    return NewTenant(tenant, title)


def facts_of_tenant(one: Tenant) -> dict[str, Any]:
    """What lists show."""
    return {
        "tenant": one.tenant,
        "title": one.title,
        "state": one.state.value,
        "created_at": _moment(one.created_at),
        "changed_at": _moment(one.changed_at),
    }


def _moment(moment: datetime) -> datetime | None:
    return moment if moment.timestamp() else None  # only the configuration names it


@contextmanager
def _unknown_is_not_found() -> "Iterator[None]":
    try:
        yield
    except UnknownTenant:
        raise _no_tenant() from None


def _no_tenant() -> NotFound:
    return NotFound("There is no such tenant.", action="Look at the list for its name.")
