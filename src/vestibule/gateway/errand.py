"""A request of our own to an upstream, for whoever can wait: what fans out, and what answers on another stream.

An exchange is a chain of callbacks because it is the fast lane. An errand is a coroutine's: it sends a request by the
same lines, with the same credential, and its answer is awaited piece by piece. What has been read ahead is bounded:
beyond it, the upstream is not read.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vestibule.errors import Refusal
from vestibule.gateway.headers import Header
from vestibule.gateway.refusals import credential_failed, too_late, unavailable
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.upstreams.lines import Line

if TYPE_CHECKING:
    from vestibule.gateway.routes import Route

READ_AHEAD = 64 * 1024  # bytes of an answer that may wait for their reader


@dataclass(frozen=True, slots=True)
class ErrandHead:
    status: int
    headers: list[Header]  # lower-case names

    def get(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def is_stream(self) -> bool:
        return (self.get(b"content-type") or b"").lower().startswith(b"text/event-stream")


class Errand:
    """One request under way. Made by `run_errand`. Implements `Answered`."""

    def __init__(self, route: "Route", request: ProxiedRequest, line: Line) -> None:
        self._route = route
        self._request = request
        self._line: Line | None = line
        self._head: asyncio.Future[ErrandHead] = asyncio.get_running_loop().create_future()
        self._pieces: deque[bytes] = deque()
        self._waiting = 0  # bytes in them
        self._is_paused = False
        self._is_over = False
        self._lost = ""
        self._news = asyncio.Event()

    async def head(self) -> ErrandHead:
        """Raises `UpstreamUnavailable` or `UpstreamCredentialFailed`. How long to wait is the caller's to say."""
        return await asyncio.shield(self._head)

    async def head_in_time(self) -> ErrandHead:
        """Within the time that the upstream has to begin an answer. Raises `UpstreamTimeout` as well."""
        try:
            async with asyncio.timeout(self._route.first_byte_seconds):
                return await self.head()
        except TimeoutError as error:
            raise too_late(self._route.name) from error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `UpstreamUnavailable` when it breaks off."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._waiting -= len(piece)
                if self._is_paused and self._waiting <= READ_AHEAD // 2 and self._line is not None:
                    self._is_paused = False
                    self._line.resume()
                yield piece
            if self._lost:
                raise unavailable(self._route.name, self._lost)
            if self._is_over:
                return
            self._news.clear()
            await self._news.wait()

    async def body(self, *, longest: int) -> bytes:
        """All of it. Raises `UpstreamUnavailable`, also for one that is longer than so many bytes."""
        found = bytearray()
        async for piece in self:
            found += piece
            if len(found) > longest:
                self.abandon()
                raise unavailable(self._route.name, f"an answer is longer than {longest} bytes")
        return bytes(found)

    def abandon(self) -> None:
        """Nobody wants the (rest of the) answer. In the modern era that cancels the request."""
        line, self._line = self._line, None
        if line is not None:
            line.abandon()
        self._end("abandoned")

    # --- Answered ---------------------------------------------------------------------------------------------------

    def upstream_head(self, status: int, headers: list[Header], length: int | None) -> None:
        route = self._route
        if status in (401, 403, 407):
            route.credentials.drop(self._request.principal, route.resource.upstream)
            self._refuse(credential_failed(route.name, status))
        elif 300 <= status < 400:
            self._refuse(unavailable(route.name, f"upstream answered {status}: redirects are not followed"))
        elif not self._head.done():
            self._head.set_result(ErrandHead(status, list(headers)))

    def upstream_data(self, data: bytes) -> None:
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting > READ_AHEAD and not self._is_paused and self._line is not None:
            self._is_paused = True
            self._line.pause()

    def upstream_flush(self) -> None:
        self._news.set()

    def upstream_end(self) -> None:
        self._line = None
        self._end("")

    def upstream_lost(self, reason: str) -> None:
        self._line = None
        self._end(reason)

    def upstream_refused(self, refusal: Refusal) -> None:
        self._line = None
        self._refuse(refusal)

    def upstream_paused(self) -> None: ...

    def upstream_resumed(self) -> None: ...

    def _refuse(self, refusal: Refusal) -> None:
        if not self._head.done():
            self._head.set_exception(refusal)
            self._head.exception()  # whoever does not ask is not told of it by the loop either
        self.abandon()

    def _end(self, lost: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._lost = lost
        if not self._head.done():
            self._head.set_exception(unavailable(self._route.name, lost or "the answer had no head"))
            self._head.exception()
        self._news.set()


async def run_errand(route: "Route", request: ProxiedRequest) -> Errand:
    """Send it. Its body is whole, its principal is known. Raises a `Refusal`; nothing has been sent then."""
    upstream = route.resource.upstream
    injected = await route.credentials.headers_for(request.principal, upstream)
    line = route.pool.take(request)
    if line is None:
        try:
            line = await route.pool.connect(request)
        except (OSError, TimeoutError) as error:
            raise unavailable(route.name, f"{type(error).__name__}: {error}") from error
    errand = Errand(route, request, line)
    line.send(request, injected, errand)
    return errand
