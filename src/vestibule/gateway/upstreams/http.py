"""Connections to an upstream that speaks streamable HTTP: made, kept, reused, given up.

A connection is reused only after an answer that ended where its framing said it would, with nothing behind it and the
whole request sent; anything else closes it, because the next answer on it could be somebody else's. And only for the
same tenant: what a server remembers of a connection, it remembers of one organisation. Idle connections are kept for
less time than common servers keep theirs (five seconds), newest first; one that has ended meanwhile is not used. So a
request is sent once: who cannot know whether the other side has read a byte of it must not send it again.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

import httptools

from vestibule.gateway.headers import Header
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.sockets import has_news
from vestibule.gateway.upstreams.dial import Dialer
from vestibule.gateway.upstreams.lines import Answered
from vestibule.model import Principal, TenantId, Upstream

IDLE_SECONDS = 4.0
BRIEFLY = 0.02  # seconds without use: no turn of the loop is longer, and it tells what has come before that
MAX_IDLE = 256
MAX_CONNECTIONS = 20_000
MAX_RESPONSE_HEAD = 64 * 1024


class HttpLine(asyncio.Protocol):
    """One connection. `exchange` is who uses it now. See `Line`."""

    __slots__ = (
        "_chunked",
        "_ended",
        "_head_seen",
        "_head_size",
        "_headers",
        "_keep_alive",
        "_length",
        "_parser",
        "_until_close",
        "exchange",
        "idle_since",
        "now",
        "pool",
        "request_sent",
        "tenant",
        "transport",
    )

    def __init__(self, pool: "HttpPool", tenant: TenantId) -> None:
        self.pool = pool
        self.tenant = tenant
        self.exchange: Answered | None = None
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.idle_since = 0.0
        self.request_sent = False
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._headers: list[Header] = []
        self._head_size = 0
        self._head_seen = False
        self._length: int | None = None
        self._chunked = False
        self._until_close = False
        self._ended = False
        self._keep_alive = False

    # --- what an exchange asks --------------------------------------------------------------------------------------

    def send(self, request: ProxiedRequest, injected: Sequence[Header], answered: Answered) -> None:
        pool = self.pool
        self.exchange = answered
        self.request_sent = request.is_whole
        head = request.leave(target=pool.target(request.query), authority=pool.authority, injected=injected)
        self.transport.write(head)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def finish(self) -> None:
        self.request_sent = True

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        self.transport.resume_reading()

    def abandon(self) -> None:
        self.exchange = None
        self.transport.abort()

    def give_back(self) -> None:
        self.pool.release(self)

    # --- asyncio ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.now = asyncio.get_running_loop().time  # kept: whoever asks for the loop asks the kernel for the process

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:  # an idle connection that speaks: nobody asked
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:  # HttpParserUpgrade is one of them
            self._give_up(f"malformed answer: {error}")
            return
        exchange.upstream_flush()
        if self._ended and self.exchange is exchange:
            self._finish()

    def _finish(self) -> None:
        exchange, self.exchange = self.exchange, None
        reusable = self._keep_alive and not self._until_close and self.request_sent
        self._reset()
        if reusable and not self.transport.is_closing():
            self.pool.release(self)
        else:
            self.transport.close()
        if exchange is not None:
            exchange.upstream_end()

    def connection_lost(self, error: Exception | None) -> None:
        self._parser = cast("httptools.HttpResponseParser", None)  # it has us; neither is to wait for the collector
        self.pool.forget(self)
        if self.exchange is None:
            return
        if self._until_close and error is None and self._head_seen:
            self._ended = True
            self._finish()
            return
        self._give_up("connection closed in mid-answer" if error is None else f"{type(error).__name__}")

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_paused()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_resumed()

    def _give_up(self, reason: str) -> None:
        exchange, self.exchange = self.exchange, None
        self.transport.abort()
        if exchange is not None:
            exchange.upstream_lost(reason)

    # --- the parser's callbacks -------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._ended:
            raise ValueError("bytes after the end of the answer")
        self._reset()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        if self._head_size > MAX_RESPONSE_HEAD:
            raise ValueError("the head of the answer is too long")
        name = name.lower()
        if name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or self._chunked or self._parser.get_http_version() != "1.1":
                raise ValueError("a transfer coding other than chunked, once, in HTTP/1.1")
            self._chunked = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise ValueError("an upgrade that nobody asked for")
            return
        self._head_seen = True
        self._keep_alive = self._parser.should_keep_alive()
        self._until_close = not self._chunked and self._length is None and status not in (204, 304)
        if self.exchange is not None:
            self.exchange.upstream_head(status, self._headers, None if self._chunked else self._length)
        self._headers = []

    def on_body(self, body: bytes) -> None:
        if self.exchange is not None:
            self.exchange.upstream_data(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._ended = True


class HttpPool:
    """The connections to one upstream. See `Pool`."""

    takes_whole_requests = False

    def __init__(self, upstream: Upstream, tls: Callable[[], ssl.SSLContext]) -> None:
        parts = urlsplit(upstream.url)
        self.path = (parts.path or "/").encode("ascii")
        self.query = parts.query.encode("ascii")
        self.authority = parts.netloc.rpartition("@")[2].encode("ascii")
        self.upstream = upstream
        self._dialer = Dialer(upstream, tls)
        self._idle: dict[TenantId, list[HttpLine]] = {}
        self._idle_count = 0
        self._open: set[HttpLine] = set()

    @property
    def size(self) -> int:
        return len(self._open)

    def target(self, query: bytes) -> bytes:
        """The request target at the upstream: its own path and query, then the client's query."""
        joined = b"&".join(part for part in (self.query, query) if part)
        return b"%b?%b" % (self.path, joined) if joined else self.path

    def take(self, request: ProxiedRequest) -> HttpLine | None:
        """An idle connection of this tenant."""
        idle = self._idle.get(request.tenant)
        if not idle:
            return None
        briefly = idle[-1].now() - BRIEFLY
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.transport.is_closing():
                continue
            if connection.idle_since > briefly or not has_news(connection.transport):
                return connection
            connection.transport.abort()
        return None

    async def connect(self, request: ProxiedRequest) -> HttpLine:
        if len(self._open) >= MAX_CONNECTIONS:
            raise OSError("too many connections to this upstream")
        connection = await self._dialer.dial(lambda: HttpLine(self, request.tenant))
        self._open.add(connection)
        return connection

    def release(self, connection: HttpLine) -> None:
        if self._idle_count >= MAX_IDLE:
            connection.transport.close()
            return
        connection.transport.resume_reading()  # a slow client of the last answer may have stopped it
        connection.idle_since = connection.now()
        self._idle.setdefault(connection.tenant, []).append(connection)
        self._idle_count += 1

    def forget(self, connection: HttpLine) -> None:
        self._open.discard(connection)
        idle = self._idle.get(connection.tenant)
        if idle and connection in idle:
            idle.remove(connection)
            self._idle_count -= 1

    def tick(self, now: float) -> None:
        """Close what has been idle for too long; the oldest stand first."""
        for tenant, idle in list(self._idle.items()):
            while idle and now - idle[0].idle_since > IDLE_SECONDS:
                self._idle_count -= 1
                idle.pop(0).transport.close()
            if not idle:
                del self._idle[tenant]

    def close(self) -> None:
        for connection in list(self._open):
            connection.transport.abort()

    def revoke(self, unwelcome: Callable[[Principal], bool]) -> None:
        """A connection is nobody's: each request says anew who asks."""

    async def wait_closed(self) -> None: ...
