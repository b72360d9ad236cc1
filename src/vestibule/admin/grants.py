"""Grants: who has allowed which client what, and ending one. Of the tenant that somebody administers, or of all."""

from collections.abc import Sequence
from typing import Any, Protocol

from vestibule.admin.entrance import Administrator
from vestibule.errors import NotFound
from vestibule.model import Grant, GrantId, TenantId
from vestibule.ports import GrantStore

MAX_GRANTS = 1000  # of one answer


class EndGrant(Protocol):
    """How the authorization server ends a grant, with all that hangs on it."""

    async def __call__(self, grant_id: GrantId, by: Administrator, *, reason: str) -> bool:
        """Whether this call did it. Not for another's tenant than `by` administers; it is in the trail."""


class GrantOffice:
    def __init__(self, grants: GrantStore, end: EndGrant) -> None:
        self._grants = grants
        self._end = end

    async def list_for(
        self, by: Administrator, *, tenant: TenantId = "", user: str = "", client_id: str = ""
    ) -> Sequence[Grant]:
        """What is allowed right now, the newest first. Another's tenant has none."""
        if by.tenant is not None and tenant not in ("", by.tenant):
            return ()
        return await self._grants.list_live(
            tenant=by.tenant or tenant or None, user=user, client_id=client_id, limit=MAX_GRANTS
        )

    async def end(self, grant_id: GrantId, by: Administrator, *, reason: str) -> None:
        """Here at once, everywhere within five seconds.

        Raises `NotFound`, in the same words for one that there is not, one that has ended, and another tenant's.
        """
        if not await self._end(grant_id, by, reason=reason):
            raise NotFound("There is no such grant.", action="Look at the list for its id.")


def facts_of_grant(grant: Grant) -> dict[str, Any]:
    """What lists show."""
    return {
        "grant_id": grant.grant_id,
        "tenant": grant.tenant,
        "user": grant.identity.user,
        "name": grant.identity.name,
        "client_id": grant.client_id,
        "resource": grant.resource,
        "scopes": grant.scopes,
        "created_at": grant.created_at,
        "last_used_at": grant.last_used_at,
    }
