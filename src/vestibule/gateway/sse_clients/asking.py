"""How an upstream is asked for an HTTP+SSE client: in streamable HTTP of the legacy eras, in one session of its own.

The upstream's session id and the version agreed on stay here; what the client's own requests say of either is not read.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vestibule.errors import Refusal
from vestibule.gateway.errand import Errand, ErrandHead, run_errand
from vestibule.gateway.framing import NO_BODY, Framing
from vestibule.gateway.headers import Header
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.sse_clients.registry import FAREWELL_SECONDS
from vestibule.model import Era, Principal
from vestibule.protocol.messages import version_of

if TYPE_CHECKING:
    from vestibule.gateway.routes import Route

_EVENTS = b"text/event-stream"
_VISIBLE = re.compile(rb"[\x21-\x7e]{1,1024}")


@dataclass(frozen=True, slots=True)
class Message:
    """Of a client. `method` is empty in its answers, `id` None in notifications."""

    text: bytes
    method: str
    id: str | int | None
    headers: Sequence[Header]  # that pass to the upstream
    principal: Principal | None
    request_id: str

    @property
    def is_request(self) -> bool:
        return bool(self.method) and self.id is not None

    @property
    def begins(self) -> bool:
        return self.method == "initialize"


class Asking:
    """See the top of the file. Every request raises a `Refusal` when it cannot be sent."""

    def __init__(self, route: "Route") -> None:
        self._route = route
        self.session: bytes | None = None
        self._version = b""

    async def post(self, message: Message) -> Errand:
        headers = [*message.headers, (b"accept", b"application/json, " + _EVENTS)]
        headers.append((b"content-type", b"application/json"))
        if message.begins:
            request = _request(b"POST", headers, message.principal, None, message.text)
            return await run_errand(self._route, request)
        return await self._run(b"POST", headers, message.principal, message.text)

    async def listen(self, principal: Principal | None, last_id: bytes) -> Errand:
        """What is said unasked; or from there on what a stream was to say that has ended."""
        headers = [(b"accept", _EVENTS)]
        if last_id:
            headers.append((b"last-event-id", last_id))
        return await self._run(b"GET", headers, principal)

    async def end(self, principal: Principal | None, session: bytes) -> None:
        """Tell the upstream that nobody needs the session any more; it may not care."""
        with suppress(Refusal, TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                request = _request(b"DELETE", self._version_line(), principal, session)
                errand = await run_errand(self._route, request)
                try:
                    await errand.head()
                finally:
                    errand.abandon()

    def begin(self, head: ErrandHead) -> bytes | None:
        """An answer to initialize. Returns the session that there was before, if that has ended now."""
        before, given = self.session, head.get(b"mcp-session-id") or b""
        self.session = given if _VISIBLE.fullmatch(given) else None
        self._version = b""
        return before if before != self.session else None

    def learn(self, answer: bytes) -> None:
        """The body of that answer."""
        version = version_of(answer).encode()
        self._version = version if _VISIBLE.fullmatch(version) else b""

    def _version_line(self) -> list[Header]:
        return [(b"mcp-protocol-version", self._version)] if self._version else []

    async def _run(
        self, method: bytes, headers: list[Header], principal: Principal | None, text: bytes = b""
    ) -> Errand:
        request = _request(method, [*headers, *self._version_line()], principal, self.session, text)
        return await run_errand(self._route, request)


def _request(
    method: bytes, headers: list[Header], principal: Principal | None, session: bytes | None, text: bytes = b""
) -> ProxiedRequest:
    framing = Framing(len(text), chunked=False) if text else NO_BODY
    request = ProxiedRequest(method, b"", headers, framing, era=Era.LEGACY)
    request.principal = principal
    request.session = session
    if text:
        request.add(text)
    request.finish()
    return request
