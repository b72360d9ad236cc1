"""A server that speaks HTTP+SSE, as MCP had it in 2024-11-05: one stream from it, and a POST for each message to it.

    OPENING   GET of its URL; its first event, `endpoint`, says where messages go
    OPEN      `message` events are heard; messages are posted, in order
    LOST      the stream has ended, or a message could not be delivered

The two connections are an HttpPool's each: verified, bounded, no redirect followed. `protocol.endpoint_event` tells
which endpoints are believed. Messages go one at a time; a server that answers a POST only when it has dealt with it,
and asks back meanwhile, would wait for ever, so after a second the next one goes beside it.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from vestibule.errors import Refusal
from vestibule.gateway.framing import NO_BODY, Framing
from vestibule.gateway.headers import Header
from vestibule.gateway.refusals import unavailable
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.upstreams.channel import MAX_MESSAGE, Caller, Channel, Listener
from vestibule.gateway.upstreams.http import HttpPool
from vestibule.gateway.upstreams.lines import Line
from vestibule.model import Era, Upstream
from vestibule.protocol.endpoint_event import message_url
from vestibule.protocol.event_stream import EventReader, EventTooLong
from vestibule.protocol.messages import asked_id, error_body

MAX_STREAMS = 10_000  # to one upstream
MAX_WAITING = 256 * 1024  # bytes of messages to the server, before more should be added
ORDER_SECONDS = 1.0  # that a message waits for the one before it to be taken
MAX_AT_ONCE = 32
_REFUSED = frozenset({401, 403, 407})
_GONE = _REFUSED | {404, 410}  # what ends the session, not only the one message

Tls = Callable[[], ssl.SSLContext]


class SseChannel(Channel):
    """See `Channel`. Every request of it shows our credential for the caller, as it is then."""

    def __init__(self, upstream: Upstream, tls: Tls, caller: Caller) -> None:
        self._upstream = upstream
        self._tls = tls
        self._caller = caller
        self._streams = HttpPool(upstream, tls)
        self._messages: HttpPool | None = None  # once the server has said where
        self._stream = _Stream(self)
        self._line: Line | None = None
        self._listener: Listener | None = None
        self._endpoint: asyncio.Future[str] | None = None
        self._queue: deque[bytes] = deque()
        self._waiting = 0  # bytes in it, and on their way
        self._sender: asyncio.Task[None] | None = None
        self._posts: set[asyncio.Task[None]] = set()
        self._is_lost = False

    async def open(self, listener: Listener) -> None:
        self._endpoint = asyncio.get_running_loop().create_future()
        request = _request(b"GET", [(b"accept", b"text/event-stream")], b"")
        try:
            self._line = await self._streams.connect(request)
            self._line.send(request, self._caller.injected, self._stream)
            async with asyncio.timeout(self._upstream.timeouts.first_byte.total_seconds()):
                url = await self._endpoint
            if self._is_lost:
                raise OSError("its stream has ended at once")
        except BaseException:
            self._end()
            raise
        self._messages = HttpPool(replace(self._upstream, url=url), self._tls)
        self._listener = listener

    def send(self, message: bytes) -> None:
        if self._is_lost:
            return
        self._queue.append(message)
        self._waiting += len(message)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())

    @property
    def is_clogged(self) -> bool:
        return self._waiting > MAX_WAITING or len(self._posts) >= MAX_AT_ONCE

    def pause(self) -> None:
        if self._line is not None:
            self._line.pause()

    def resume(self) -> None:
        if self._line is not None:
            self._line.resume()

    def close(self) -> None:
        asyncio.get_running_loop().call_soon(self.lose, "closed")

    async def closed(self) -> None: ...

    # --- the stream -------------------------------------------------------------------------------------------------

    def refused(self, status: int) -> None:
        """With 401, 403 and 407 it is our credential that the server does not accept."""
        if status in _REFUSED:
            self._caller.refused = status

    def named_endpoint(self, said: bytes) -> None:
        """The server says where its messages go; the first word counts."""
        if self._endpoint is None or self._endpoint.done():
            return
        url = message_url(self._upstream.url, said)
        if url is None:
            self.lose("the endpoint that it names is not on its own origin")
        else:
            self._endpoint.set_result(url)

    def heard(self, message: bytes) -> None:
        if self._listener is not None and message.strip():
            self._listener.heard(message.replace(b"\n", b" "))  # line breaks of JSON, which are not in its strings

    def lose(self, reason: str) -> None:
        """There will be nothing more from this server."""
        if self._is_lost:
            return
        self._end()
        if self._endpoint is not None and not self._endpoint.done():
            self._endpoint.set_exception(OSError(reason))
            self._endpoint.exception()  # whoever has given up is not told by the loop
        elif self._listener is not None:  # it is open
            self._listener.lost(reason)

    def _end(self) -> None:
        self._is_lost = True
        line, self._line = self._line, None
        if line is not None:
            line.abandon()
        for task in (*self._posts, self._sender):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        self._queue.clear()
        self._streams.close()
        if self._messages is not None:
            self._messages.close()

    # --- messages ---------------------------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        while self._queue:
            message = self._queue.popleft()
            task = asyncio.create_task(self._deliver(message))
            self._posts.add(task)
            task.add_done_callback(self._posts.discard)
            await asyncio.wait({task}, timeout=ORDER_SECONDS)
            while len(self._posts) >= MAX_AT_ONCE:
                await asyncio.wait(self._posts, return_when=asyncio.FIRST_COMPLETED)
        self._sender = None

    async def _deliver(self, message: bytes) -> None:
        try:
            async with asyncio.timeout(self._upstream.timeouts.first_byte.total_seconds()):
                status = await self._post(message)
        except (OSError, TimeoutError) as error:
            self.lose(f"a message could not be delivered: {type(error).__name__}: {error}")
            return
        finally:
            self._waiting -= len(message)
        if 200 <= status < 300:
            return
        if status in _GONE:
            self.refused(status)
            self.lose(f"a message was answered {status}")
        elif (rpc_id := asked_id(message)) is not None:
            refusal = unavailable(self._upstream.name, f"a message was answered {status}")
            self.heard(error_body(refusal, rpc_id=rpc_id, request_id=""))

    async def _post(self, message: bytes) -> int:
        """The status. Raises OSError."""
        assert self._messages is not None
        request = _request(b"POST", [(b"content-type", b"application/json")], message)
        pool = self._messages
        pool.tick(asyncio.get_running_loop().time())  # what has been idle for long may be closing at the other end
        line = pool.take(request) or await pool.connect(request)
        post = _Post()
        line.send(request, self._caller.injected, post)
        try:
            return await post.status
        except asyncio.CancelledError:
            line.abandon()
            raise


def _request(method: bytes, headers: list[Header], body: bytes) -> ProxiedRequest:
    framing = Framing(len(body), chunked=False) if body else NO_BODY
    request = ProxiedRequest(method, b"", headers, framing, era=Era.LEGACY)
    if body:
        request.add(body)
    request.finish()
    return request


class _Stream:
    """The answer to the GET. Implements `Answered`."""

    def __init__(self, channel: SseChannel) -> None:
        self._channel = channel
        self._events = EventReader(longest=MAX_MESSAGE)

    def upstream_head(self, status: int, headers: list[Header], length: int | None) -> None:
        found = dict(headers)
        if status != 200:
            self._channel.refused(status)
            self._channel.lose(f"its stream was answered {status}")
        elif not found.get(b"content-type", b"").lower().startswith(b"text/event-stream"):
            self._channel.lose("its stream is no event stream")
        elif found.get(b"content-encoding", b"identity").lower() != b"identity":
            self._channel.lose("its stream is compressed, although it was asked not to be")

    def upstream_data(self, data: bytes) -> None:
        try:
            events = self._events.feed(data)
        except EventTooLong as error:
            self._channel.lose(str(error))
            return
        for event in events:
            if event.name == b"message":
                self._channel.heard(event.data)
            elif event.name == b"endpoint":
                self._channel.named_endpoint(event.data)

    def upstream_flush(self) -> None: ...

    def upstream_end(self) -> None:
        self._channel.lose("its stream has ended")

    def upstream_lost(self, reason: str) -> None:
        self._channel.lose(reason)

    def upstream_refused(self, refusal: Refusal) -> None:
        self.upstream_lost(refusal.message)

    def upstream_paused(self) -> None: ...

    def upstream_resumed(self) -> None: ...


class _Post:
    """The answer to a POST, of which only the status counts. Implements `Answered`."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._said = 0

    def upstream_head(self, status: int, headers: list[Header], length: int | None) -> None:
        self._said = status

    def upstream_data(self, data: bytes) -> None: ...

    def upstream_flush(self) -> None: ...

    def upstream_end(self) -> None:
        if not self.status.done():
            self.status.set_result(self._said)

    def upstream_lost(self, reason: str) -> None:
        if not self.status.done():
            self.status.set_exception(OSError(reason))

    def upstream_refused(self, refusal: Refusal) -> None:
        self.upstream_lost(refusal.message)

    def upstream_paused(self) -> None: ...

    def upstream_resumed(self) -> None: ...
