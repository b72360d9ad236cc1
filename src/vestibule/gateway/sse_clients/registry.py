"""The HTTP+SSE sessions that this process holds, found by the id that their clients were given.

An id cannot be guessed, and works for nobody but the principal that opened the stream: whoever else knows it is told
what somebody who made it up is told (CVE-2026-52869).
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from vestibule.errors import SessionNotFound
from vestibule.model import Principal, Resource

if TYPE_CHECKING:
    from vestibule.gateway.sse_clients.session import SseSession

_PARAMETER = b"sessionId="
FAREWELL_SECONDS = 5.0


class SseSessions:
    def __init__(self) -> None:
        self._sessions: dict[bytes, SseSession] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    def add(self, session: "SseSession") -> None:
        self._sessions[session.id] = session

    def discard(self, session: "SseSession") -> None:
        self._sessions.pop(session.id, None)

    def find(self, query: bytes, principal: Principal | None, resource: Resource) -> "SseSession":
        """The session that a query names; no other parameter is read. Raises `SessionNotFound`."""
        named = [part.removeprefix(_PARAMETER) for part in query.split(b"&") if part.startswith(_PARAMETER)]
        session = self._sessions.get(named[0]) if len(named) == 1 else None
        if session is None or not session.is_of(principal, resource):
            raise SessionNotFound(
                "There is no such stream for this sign-in.",
                action="Open the stream anew. Where several processes serve, one client must always reach the same.",
            )
        return session

    def say_farewell(self, words: Coroutine[Any, Any, None]) -> None:
        """To an upstream, after the session has ended."""
        task = asyncio.create_task(words)
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    async def close(self) -> None:
        """Let what is being said be said; the streams have been stopped."""
        if self._farewells:
            await asyncio.wait(self._farewells, timeout=FAREWELL_SECONDS)
