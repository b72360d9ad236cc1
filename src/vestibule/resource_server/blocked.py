"""Who was blocked here, known without asking the store about each token.

The list is read anew after some seconds, once for all who wait, and at once when a revocation arrives: blocking
somebody revokes what they have.
"""

import asyncio
import time
from collections.abc import Callable

from vestibule.errors import PolicyDenied
from vestibule.model import BlockKind, Principal
from vestibule.ports import BlockStore

KEEP = 5.0  # seconds


class BlockedPeople:
    def __init__(self, store: BlockStore, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._people: frozenset[tuple[str, str]] = frozenset()
        self._fresh_until = 0.0
        self._has_news = False  # the list has not been read since a revocation arrived
        self._flight: asyncio.Task[None] | None = None

    def forget(self) -> None:
        self._fresh_until = 0.0
        self._has_news = True
        self._flight = None  # it may have read before what we were just told of

    def may_have(self, principal: Principal) -> bool:
        """Whether somebody who came in before has to be checked again. What a token says of its age does not matter:
        its issuer's clock may be ahead of ours, and the block younger than it claims to be."""
        return self._has_news or (principal.tenant, principal.user) in self._people

    async def check(self, principal: Principal) -> None:
        """Raises `PolicyDenied`; `StoreUnavailable` when it cannot be known."""
        while self._monotonic() >= self._fresh_until:
            flight = self._flight
            if flight is None:
                flight = self._flight = asyncio.create_task(self._read())
            await asyncio.wait({flight})
            if self._flight is flight:
                self._flight = None
            flight.result()
        if (principal.tenant, principal.user) in self._people:
            raise PolicyDenied(
                "This person may not use this server any more.", action="Ask the operator.", detail=principal.user
            )

    async def _read(self) -> None:
        begun = asyncio.current_task()
        blocks = await self._store.list_all()
        if self._flight is begun:  # else it began before the news came, and may end after those who read it
            self._people = frozenset((one.tenant, one.value) for one in blocks if one.kind is BlockKind.USER)
            self._fresh_until = self._monotonic() + KEEP
            self._has_news = False
