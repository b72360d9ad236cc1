"""What stands between an HTTP+SSE client and its upstream: it asks in streamable HTTP, and answers on the stream.

    before initialize    what comes is passed on; its answer tells the upstream's session and version
    after initialized    a GET stream brings what the upstream says unasked, if it has one (405: it has none)
    ended                its errands are given up, and the upstream is told with DELETE

Messages leave in the order in which they came. Requests are answered beside each other; a notification, a client's
answer and initialize are through before the next message leaves. Whatever becomes of a request, its id is answered.
A client that does not read makes the errands wait, and through them the upstream.
"""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vestibule.errors import Refusal, Unavailable, UpstreamTimeout
from vestibule.gateway.errand import Errand, ErrandHead, run_errand
from vestibule.gateway.framing import NO_BODY, Framing
from vestibule.gateway.headers import Header
from vestibule.gateway.refusals import unavailable
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.sse_clients.registry import FAREWELL_SECONDS
from vestibule.gateway.sse_clients.relay import Relay
from vestibule.model import Era, Principal, Resource
from vestibule.protocol.messages import error_body, version_of

if TYPE_CHECKING:
    from vestibule.gateway.sse_clients.stream import SseStream

MAX_WAITING = 100  # messages that have not been answered
MAX_BYTES = 4 * 1024 * 1024  # of messages that have not left; one longer message may
MAX_SILENT = 3  # GET streams in a row that brought nothing
_EVENTS = b"text/event-stream"
_VISIBLE = re.compile(rb"[\x21-\x7e]{1,1024}")


@dataclass(frozen=True, slots=True)
class Message:
    """`method` is empty in a client's answer, `id` None in a notification."""

    text: bytes
    method: str
    id: str | int | None
    headers: Sequence[Header]
    principal: Principal | None
    request_id: str

    @property
    def is_request(self) -> bool:
        return bool(self.method) and self.id is not None


class SseSession:
    def __init__(self, stream: "SseStream", session_id: bytes) -> None:
        self.id = session_id
        self._stream = stream
        self._route = stream.route
        self._key = _key(stream.principal)
        self._upstream_session: bytes | None = None
        self._version = b""
        self._queue: asyncio.Queue[Message] = asyncio.Queue()
        self._waiting = 0
        self._bytes = 0
        self._listener: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._pass_on_all())

    def is_of(self, principal: Principal | None, resource: Resource) -> bool:
        return self._key == _key(principal) and self._route.resource is resource

    def take(self, message: Message) -> None:
        """Raises `Unavailable` when too much waits."""
        if self._waiting >= MAX_WAITING or (self._bytes and self._bytes + len(message.text) > MAX_BYTES):
            raise Unavailable("Too many messages of this stream wait.", action="Read the answers, then send more.")
        self._waiting += 1
        self._bytes += len(message.text)
        self._stream.carry_on(message.principal)
        self._queue.put_nowait(message)

    def tell(self, message: bytes) -> None:
        """What we have to say ourselves; short."""
        self._stream.say_now(message)

    def end(self) -> None:
        """The stream is over."""
        sessions = self._stream.lane.gateway.sse_sessions
        sessions.discard(self)
        for task in list(self._tasks):
            task.cancel()
        if self._upstream_session is not None:
            sessions.say_farewell(self._farewell(self._upstream_session))

    # --- messages ---------------------------------------------------------------------------------------------------

    async def _pass_on_all(self) -> None:
        while True:
            message = await self._queue.get()
            try:
                await self._pass_on(message)
            except Refusal as refusal:
                await self._fail(message, refusal)
                self._waiting -= 1

    async def _pass_on(self, message: Message) -> None:
        """Raises a `Refusal`; then nothing of it is under way."""
        try:
            errand = await run_errand(self._route, self._request(b"POST", message))
        finally:
            self._bytes -= len(message.text)
        answering = self._spawn(self._answer(message, errand))
        if not message.is_request or message.method == "initialize":
            await asyncio.wait({answering})

    async def _answer(self, message: Message, errand: Errand) -> None:
        try:
            head = await self._head(errand)
            if head.status == 404 and self._upstream_session is not None and message.method != "initialize":
                self._stream.stop()  # the upstream has forgotten this session: the client begins anew
            elif message.is_request:
                await self._relay(message, errand, head)
            elif message.method == "notifications/initialized" and head.status < 300:
                self._listener = self._spawn(self._listen())
        except Refusal as refusal:
            await self._fail(message, refusal)
        finally:
            self._waiting -= 1
            errand.abandon()

    async def _relay(self, message: Message, errand: Errand, head: ErrandHead) -> None:
        relay = Relay(self._stream, message.method, message.id)
        if message.method == "initialize":
            self._begin(head)
            relay.on_answer = self._learn
        await relay.pass_answer(errand, head)
        while not relay.is_answered:  # a server may end a stream and be asked for its rest (SEP-1699)
            if not relay.last_id or relay.silent >= MAX_SILENT:
                raise unavailable(self._route.name, "the answer ended before it came")
            await asyncio.sleep(relay.seconds_to_wait)
            await self._resume(relay)

    async def _resume(self, relay: Relay) -> None:
        errand = await run_errand(self._route, self._request(b"GET", more=[(b"last-event-id", relay.last_id)]))
        try:
            await relay.pass_answer(errand, await self._head(errand))
        finally:
            errand.abandon()

    async def _fail(self, message: Message, refusal: Refusal) -> None:
        gateway = self._stream.lane.gateway
        gateway.report("sse_call_failed", code=refusal.code, upstream=self._route.name, detail=refusal.detail)
        if message.is_request:
            await self._stream.say(error_body(refusal, rpc_id=message.id, request_id=message.request_id))

    async def _head(self, errand: Errand) -> ErrandHead:
        try:
            async with asyncio.timeout(self._route.first_byte_seconds):
                return await errand.head()
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"The MCP server {self._route.name} did not answer in time.",
                action="Try again; if it happens again, tell the operator.",
            ) from error

    # --- the upstream's session -------------------------------------------------------------------------------------

    def _begin(self, head: ErrandHead) -> None:
        """An answer to initialize; to a second one, too."""
        if self._listener is not None:
            self._listener.cancel()
        before, given = self._upstream_session, head.get(b"mcp-session-id") or b""
        if before is not None and before != given:
            self._stream.lane.gateway.sse_sessions.say_farewell(self._farewell(before))
        self._upstream_session = given if _VISIBLE.fullmatch(given) else None
        self._version = b""

    def _learn(self, answer: bytes) -> None:
        version = version_of(answer).encode()
        self._version = version if _VISIBLE.fullmatch(version) else b""

    async def _listen(self) -> None:
        """What the upstream says unasked."""
        relay = Relay(self._stream, "", None)
        while relay.silent < MAX_SILENT:
            more = [(b"last-event-id", relay.last_id)] if relay.last_id else []
            with suppress(Refusal):
                errand = await run_errand(self._route, self._request(b"GET", more=more))
                try:
                    head = await self._head(errand)
                    if 400 <= head.status < 500:
                        return  # it has no such stream
                    await relay.pass_answer(errand, head)
                finally:
                    errand.abandon()
            await asyncio.sleep(relay.seconds_to_wait)

    async def _farewell(self, session: bytes) -> None:
        request = self._request(b"DELETE", session=session)
        with suppress(Refusal, TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                errand = await run_errand(self._route, request)
                try:
                    await errand.head()
                finally:
                    errand.abandon()

    def _request(
        self,
        method: bytes,
        message: Message | None = None,
        *,
        more: Sequence[Header] = (),
        session: bytes | None = None,
    ) -> ProxiedRequest:
        text = message.text if message is not None else b""
        headers = [*(message.headers if message is not None else ()), *more]
        headers.append((b"accept", _EVENTS if method == b"GET" else b"application/json, " + _EVENTS))
        if text:
            headers.append((b"content-type", b"application/json"))
        begins = message is not None and message.method == "initialize"
        if not begins and self._version:
            headers.append((b"mcp-protocol-version", self._version))
        headers.append((b"mcp-session-id", b""))  # where the upstream's own stands, if there is one
        framing = Framing(len(text), chunked=False) if text else NO_BODY
        request = ProxiedRequest(method, b"", headers, framing, era=Era.LEGACY)
        request.principal = message.principal if message is not None else self._stream.principal
        request.session = None if begins else session or self._upstream_session
        if text:
            request.add(text)
        request.finish()
        return request

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nobody must wait for ever because of something nobody foresaw.
            self._stream.lane.gateway.report("sse_session_failed", level="error", exc_info=error)
            self._stream.stop()


def _key(principal: Principal | None) -> str:
    return principal.key if principal is not None else ""
