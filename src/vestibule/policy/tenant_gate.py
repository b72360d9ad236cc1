"""Whether a tenant's people, clients and keys may come in right now."""

import time
from collections.abc import Callable

from vestibule.errors import TenantDenied
from vestibule.model import TenantId, TenantState
from vestibule.ports import TenantStore

KEEP = 1.0  # seconds; what a suspension changes is known to everybody within five
MAX_KEPT = 10_000


class TenantGate:
    """Implements `ports.TenantGate`. A tenant that the configuration names needs no row; a row says more."""

    def __init__(
        self, store: TenantStore, named: frozenset[TenantId], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._named = named
        self._monotonic = monotonic
        self._kept: dict[TenantId, tuple[bool, float]] = {}

    async def check_open(self, tenant: TenantId, *, fresh: bool = False) -> None:
        now = self._monotonic()
        is_open, until = self._kept.get(tenant, (False, 0.0))
        if fresh or now >= until:
            is_open = await self._is_open(tenant)
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[tenant] = (is_open, now + KEEP)
        if not is_open:
            raise TenantDenied(
                "Your organisation has no access here right now.", action="Ask the operator.", detail=tenant
            )

    async def _is_open(self, tenant: TenantId) -> bool:
        row = await self._store.get(tenant)
        if row is None or row.is_of_file:  # such a row only says what became of it
            return tenant in self._named and (row is None or row.state is TenantState.ACTIVE)
        return row.state is TenantState.ACTIVE
