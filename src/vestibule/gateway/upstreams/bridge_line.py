"""One request's answer, as a bridge writes it: a document, or an event stream once something comes before the answer.

The head waits for the first thing that there is to say (`document`, `begin` or `event`), because only then it is known
which of the two it is. What a client does not take is held here, up to a bound; whoever owns the line decides what
happens then.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from vestibule.gateway.headers import Header
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.upstreams.lines import Answered

MAX_HELD = 1024 * 1024  # bytes that one client may leave unread
_STREAM: list[Header] = [(b"content-type", b"text/event-stream")]
_DOCUMENT: list[Header] = [(b"content-type", b"application/json")]

Receive = Callable[["BridgeLine", ProxiedRequest], None]


class LineOwner(Protocol):
    """Whose request a line carries."""

    def abandoned(self) -> None:
        """Nobody waits for the answer any more."""

    def full(self) -> None:
        """The client leaves more unread than may be held."""

    def drained(self) -> None:
        """After `full`: it has taken all of it."""


class BridgeLine:
    """See the top of the file. Implements `Line`; `receive` is told of the request that it is to carry."""

    def __init__(self, receive: Receive) -> None:
        self.owner: LineOwner | None = None
        self.accepts_stream = True
        self.injected: Sequence[Header] = ()
        self.is_begun = False
        self.person = ""  # whose request it carries; empty where nobody says who he is
        self._receive = receive
        self._answered: Answered | None = None
        self._is_paused = False
        self._held: deque[bytes] = deque()
        self._held_size = 0
        self._is_full = False
        self._is_ending = False

    @property
    def is_live(self) -> bool:
        """Whether there is still something to be said, and somebody who hears it."""
        return self._answered is not None and not self._is_ending

    # --- what an exchange asks --------------------------------------------------------------------------------------

    def send(self, request: ProxiedRequest, injected: Sequence[Header], answered: Answered) -> None:
        """Nothing is answered in here: whoever sends is not to be called back before it has returned."""
        self._answered = answered
        self.injected = injected
        accept = b",".join(value for name, value in request.headers if name == b"accept").lower()
        self.accepts_stream = not accept or b"text/event-stream" in accept or b"*/*" in accept
        asyncio.get_running_loop().call_soon(self._go, request)

    def _go(self, request: ProxiedRequest) -> None:
        if self.is_live:
            self._receive(self, request)

    def write(self, data: bytes) -> None:
        """Requests are whole when they are sent."""

    def finish(self) -> None: ...

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        while self._held and not self._is_paused and self._answered is not None:
            data = self._held.popleft()
            self._held_size -= len(data)
            self._pass(data)
        if self._held or self._is_paused:
            return
        if self._is_full:
            self._is_full = False
            if self.owner is not None:
                self.owner.drained()
        if self._is_ending:
            self._finish()

    def abandon(self) -> None:
        self._answered = None
        self._held.clear()
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.abandoned()

    def give_back(self) -> None: ...

    # --- what the answer is -----------------------------------------------------------------------------------------

    def document(self, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
        """The whole answer; an empty body has no type."""
        self.owner = None
        if self._answered is not None:
            self._answered.upstream_head(status, [*(_DOCUMENT if body else ()), *headers], len(body))
        self._pass(body)
        self._finish()

    def begin(self, headers: Sequence[Header] = ()) -> None:
        """From here on it is a stream."""
        if self.is_begun or self._answered is None:
            return
        self.is_begun = True
        self._answered.upstream_head(200, [*_STREAM, *headers], None)
        if self._answered is not None:
            self._answered.upstream_flush()

    def event(self, message: bytes) -> None:
        """One message in the stream. `message`: one line."""
        if not self.is_live:
            return
        self.begin()
        data = b"event: message\r\ndata: %b\r\n\r\n" % message
        if not self._is_paused and not self._held:
            self._pass(data)
            return
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > MAX_HELD and not self._is_full and self.owner is not None:
            self._is_full = True
            self.owner.full()

    def end(self) -> None:
        """The end of the stream, once all of it has been taken."""
        self.begin()
        self._is_ending = True
        self.owner = None
        if not self._held:
            self._finish()

    def lose(self, reason: str) -> None:
        """There is no answer, and none has begun. `reason`: for the log."""
        answered = self._answered
        self._answered = self.owner = None
        if answered is not None:
            answered.upstream_lost(reason)

    def cut(self) -> None:
        """What is held is dropped: the stream is about to end before its client has taken it."""
        self._held.clear()
        self._held_size = 0

    def _pass(self, data: bytes) -> None:
        if self._answered is not None and data:
            self._answered.upstream_data(data)
        if self._answered is not None:
            self._answered.upstream_flush()

    def _finish(self) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered.upstream_end()
