"""Sessions of the eras with an initialize handshake, as a streamable HTTP server has them (2025-11-25, transports).

A session here is what a client can do with one: post a message, listen on its GET stream, end it. `OwnSession` is a
server for one session alone; `shared` has those of several clients on one server.

What the server says by itself goes on the answer of the request that was asked last, because a server on a pipe does
not say which one it is about; what is about none of them by its nature goes on the GET stream, if there is one. Where
nobody listens, a little is kept for whoever does next.
"""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from vestibule.gateway.upstreams.bridge_line import BridgeLine
from vestibule.gateway.upstreams.call import Call
from vestibule.gateway.upstreams.conversation import Conversation, Parts
from vestibule.model import Principal
from vestibule.protocol.relayed import (
    CANCELLED,
    INTERNAL_ERROR,
    Kind,
    Message,
    error_answer,
    result_answer,
)

MAX_KEPT = 64  # messages for a GET stream that is not there
MAX_KEPT_BYTES = 256 * 1024
MAX_ASKED = 256  # requests of a server that its client has not answered
ABOUT_NO_REQUEST = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/elicitation/complete",
        "notifications/tasks/status",
    }
)


class ClientSession(Protocol):
    """What a client's requests in a session lead to."""

    id: bytes
    principal: Principal | None
    used_at: float

    @property
    def is_quiet(self) -> bool: ...
    def post(self, message: Message, line: BridgeLine, now: float) -> None: ...
    def listen(self, line: BridgeLine, now: float) -> None: ...
    def end(self) -> None: ...


class Listening:
    """The GET stream of a session, and what is kept for it while it is not there. Implements `LineOwner`."""

    def __init__(self, conversation: Conversation, *, is_shared: bool) -> None:
        self._conversation = conversation
        self._is_shared = is_shared
        self._kept: deque[bytes] = deque()
        self._kept_size = 0
        self._line: BridgeLine | None = None

    @property
    def is_open(self) -> bool:
        return self._line is not None and self._line.is_live

    def open(self, line: BridgeLine) -> None:
        self._line, line.owner = line, self
        line.begin()
        while self._kept:
            self._kept_size -= len(self._kept[0])
            line.event(self._kept.popleft())

    def tell(self, message: bytes) -> None:
        if self._line is not None and self._line.is_live:
            self._line.event(message)
            return
        self._kept.append(message)
        self._kept_size += len(message)
        while len(self._kept) > MAX_KEPT or self._kept_size > MAX_KEPT_BYTES:
            self._kept_size -= len(self._kept.popleft())

    def end(self) -> None:
        self._kept.clear()
        line, self._line = self._line, None
        if line is not None:
            line.end()

    def abandoned(self) -> None:
        self._line = None
        self._conversation.resume_for(self)

    def full(self) -> None:
        """A client that does not read loses its stream where others would have to wait for it."""
        if not self._is_shared:
            self._conversation.pause_for(self)
            return
        line, self._line = self._line, None
        if line is not None:
            line.cut()
            line.end()

    def drained(self) -> None:
        self._conversation.resume_for(self)


class OwnSession(Conversation):
    """A server that one session has for itself. Implements `ClientSession`."""

    def __init__(self, parts: Parts, session_id: bytes) -> None:
        super().__init__(parts)
        self.id = session_id
        self.principal = parts.caller.principal
        self._listening = Listening(self, is_shared=False)
        self._asked: set[bytes] = set()  # ids of what the server asks its client, and has no answer to yet

    def begin(self, message: Message, line: BridgeLine, now: float) -> None:
        """`message`: initialize."""
        call = Opening(self, message, line, is_modern=False, now=now)
        call.headers = ((b"mcp-session-id", self.id),)
        call.ask(message)

    @property
    def is_quiet(self) -> bool:
        return super().is_quiet and not self._listening.is_open

    # --- from the client --------------------------------------------------------------------------------------------

    def post(self, message: Message, line: BridgeLine, now: float) -> None:
        self.used_at = now
        if message.kind is Kind.REQUEST:
            Call(self, message, line, is_modern=False, now=now).ask(message)
            return
        if message.kind is Kind.ANSWER:
            if message.id in self._asked:
                self.tell(message.encode())
                self._asked.discard(message.id)
        elif message.method != "notifications/cancelled" or name_ours(message, calls_of(self), now):
            self.tell(message.encode())
        line.document(202, b"")

    def listen(self, line: BridgeLine, now: float) -> None:
        self.used_at = now
        if self._listening.is_open:
            line.document(409, error_answer(b"", -32000, "This session has a GET stream already."))
        else:
            self._listening.open(line)

    def end(self) -> None:
        self.close()

    # --- from the server --------------------------------------------------------------------------------------------

    def requested(self, message: Message) -> None:
        call = self._last_call()
        if message.method == "ping" and call is None and not self._listening.is_open:
            self.reply(result_answer(message.id))
        elif len(self._asked) >= MAX_ASKED:
            self.reply(error_answer(message.id, INTERNAL_ERROR, "Too many requests wait for this client."))
        else:
            self._asked.add(message.id)
            self._tell(message, call)

    def notified(self, message: Message) -> None:
        if message.method == "notifications/cancelled":
            self._asked.discard(message.find(CANCELLED) or b"")
        is_about_none = message.method in ABOUT_NO_REQUEST and self._listening.is_open
        self._tell(message, None if is_about_none else self._last_call())

    def _tell(self, message: Message, call: Call | None) -> None:
        if call is not None:
            call.tell(message)
        else:
            self._listening.tell(message.encode())

    def _last_call(self) -> Call | None:
        return next(
            (call for call in reversed(list(calls_of(self))) if call.line.accepts_stream and call.line.is_live), None
        )

    def lost(self, reason: str) -> None:
        super().lost(reason)
        self._listening.end()

    def tick(self, now: float) -> None:
        for call in list(calls_of(self)):
            call.tick(now)


class Opening(Call):
    """An initialize that a server has for itself. Without a result there is no session."""

    def answered(self, message: Message) -> None:
        if "error" in message.members:
            self.headers = ()
            self._conversation.close()
        super().answered(message)


def calls_of(conversation: Conversation) -> Iterable[Call]:
    """In the order in which they were asked."""
    return (one for one in conversation.waiting.values() if isinstance(one, Call))


def name_ours(message: Message, calls: Iterable[Call], now: float) -> bool:
    """Let a client's notifications/cancelled name the request as the server knows it. False: it names none."""
    named = message.find(CANCELLED)
    for call in calls:
        if call.rpc_id == named and call.method != "initialize":
            message.put(CANCELLED, b"%d" % call.cancel(now))
            return True
    return False
