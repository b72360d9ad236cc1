"""What stands between an HTTP+SSE client and its upstream: messages in, what is said of them out, on the stream.

    before initialize    what comes is passed on; its answer tells the upstream's session and version
    after initialized    a GET stream brings what the upstream says unasked, if it has one (405: it has none)
    ended                its errands are given up, and the upstream is told with DELETE

Messages leave in the order in which they came. Requests are answered beside each other; a notification, a client's
answer and initialize are through before the next message leaves. Whatever becomes of a request, its id is answered.
A client that does not read makes the errands wait, and through them the upstream.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vestibule.errors import Refusal, SessionNotFound, Unavailable
from vestibule.gateway.errand import Errand, ErrandHead
from vestibule.gateway.refusals import unavailable
from vestibule.gateway.sse_clients.asking import Asking, Message
from vestibule.gateway.sse_clients.relay import LONGEST_WAIT, Held, Relay
from vestibule.model import Principal, Resource
from vestibule.protocol.messages import error_body

if TYPE_CHECKING:
    from vestibule.gateway.sse_clients.stream import SseStream

MAX_WAITING = 100  # messages that have not been answered
LONG_ENOUGH = 5.0  # seconds of a GET stream that brought nothing, and is opened again at once
MAX_BYTES = 16 * 1024 * 1024  # of messages that have not been answered; one longer message may


class SseSession:
    def __init__(self, stream: "SseStream", session_id: bytes) -> None:
        self.id = session_id
        self._stream = stream
        self._route = stream.route
        self._key = _key(stream.principal)
        self._asking = Asking(stream.route)
        self._held = Held()
        self._queue: list[Message] = []
        self._sender: asyncio.Task[None] | None = None  # while there is something to send
        self._waiting = 0
        self._bytes = 0
        self._is_over = False
        self._listener: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def is_of(self, principal: Principal | None, resource: Resource) -> bool:
        return self._key == _key(principal) and self._route.resource.identifier == resource.identifier

    @property
    def is_waited_for(self) -> bool:
        return self._waiting > 0

    def take(self, message: Message) -> None:
        """Raises `Unavailable` when too much waits, `SessionNotFound` when the stream has ended meanwhile."""
        if self._is_over:
            raise SessionNotFound("The stream has ended.", action="Open it anew.")
        if self._waiting >= MAX_WAITING or (self._bytes and self._bytes + len(message.text) > MAX_BYTES):
            raise Unavailable("Too many messages of this stream wait.", action="Read the answers, then send more.")
        self._waiting += 1
        self._bytes += len(message.text)
        self._stream.carry_on(message.principal)
        self._queue.append(message)
        if self._sender is None:
            self._sender = self._spawn(self._pass_on_all())

    def tell(self, message: bytes) -> None:
        """What we have to say ourselves, to a client that reads."""
        if not self._stream.lane.is_unread:
            self._stream.say_now(message)

    def end(self) -> None:
        """The stream is over."""
        self._is_over = True
        self._stream.lane.gateway.sse_sessions.discard(self)
        for task in list(self._tasks):
            task.cancel()
        self._say_farewell(self._asking.session)

    def _say_farewell(self, session: bytes | None) -> None:
        if session is not None:
            words = self._asking.end(self._stream.principal, session)
            self._stream.lane.gateway.sse_sessions.say_farewell(words)

    # --- messages ---------------------------------------------------------------------------------------------------

    async def _pass_on_all(self) -> None:
        while self._queue:
            message = self._queue.pop(0)
            try:
                await self._pass_on(message)
            except Refusal as refusal:
                await self._fail(message, refusal)
                self._is_through(message)
        self._sender = None

    async def _pass_on(self, message: Message) -> None:
        """Raises a `Refusal`; then nothing of it is under way."""
        errand = await self._asking.post(message)
        answering = self._spawn(self._answer(message, errand))
        if not message.is_request or message.begins:
            await asyncio.wait({answering})

    async def _answer(self, message: Message, errand: Errand) -> None:
        try:
            head = await errand.head_in_time()
            if head.status == 404 and self._asking.session is not None and not message.begins:
                self._stream.stop()  # the upstream has forgotten this session: the client begins anew
            elif message.is_request:
                await self._relay(message, errand, head)
            elif message.method == "notifications/initialized" and head.status < 300:
                self._listener = self._spawn(self._listen())
        except Refusal as refusal:
            await self._fail(message, refusal)
        finally:
            self._is_through(message)
            errand.abandon()

    def _is_through(self, message: Message) -> None:
        """Its text is here as long as it may be sent once more."""
        self._waiting -= 1
        self._bytes -= len(message.text)

    async def _relay(self, message: Message, errand: Errand, head: ErrandHead) -> None:
        relay = Relay(self._stream, self._held, message.method, message.id)
        if message.begins:
            if self._listener is not None:
                self._listener.cancel()
            self._say_farewell(self._asking.begin(head))
            relay.on_answer = self._asking.learn
        await relay.pass_answer(errand, head)
        while not relay.is_answered:  # a server may end a stream and be asked for its rest (SEP-1699)
            silent = asyncio.get_running_loop().time() - relay.heard_at
            if not relay.last_id or self._asking.session is None or silent > self._route.first_byte_seconds:
                raise unavailable(self._route.name, "the stream ended before the answer came")
            await asyncio.sleep(relay.seconds_to_wait)
            await self._take_up(relay)

    async def _take_up(self, relay: Relay) -> None:
        errand = await self._asking.listen(self._stream.principal, relay.last_id)
        try:
            await relay.pass_answer(errand, await errand.head_in_time())
        finally:
            errand.abandon()

    async def _listen(self) -> None:
        """What the upstream says unasked."""
        relay, useless = Relay(self._stream, self._held, "", None), 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            with suppress(Refusal):
                errand = await self._asking.listen(self._stream.principal, relay.last_id)
                try:
                    head = await errand.head_in_time()
                    if 400 <= head.status < 500:
                        return  # it has no such stream
                    await relay.pass_answer(errand, head)
                finally:
                    errand.abandon()
            was_of_use = relay.heard_at > began or loop.time() - began > LONG_ENOUGH
            useless = 0 if was_of_use else min(useless + 1, 5)
            await asyncio.sleep(min(relay.seconds_to_wait * 2**useless, LONGEST_WAIT))

    async def _fail(self, message: Message, refusal: Refusal) -> None:
        self._stream.lane.gateway.note_refusal(refusal, self._route, message.request_id)
        if message.is_request:
            await self._stream.say(error_body(refusal, rpc_id=message.id, request_id=message.request_id))

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
