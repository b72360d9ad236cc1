"""GET …/sse: the stream of an HTTP+SSE client. Its session lives as long as it does.

It ends 30 seconds after its token, unless a message of the same principal has brought a younger one since: such a
client cannot open another stream without losing its session.
"""

import asyncio
from typing import TYPE_CHECKING

from vestibule.gateway.answer import COMMENT, ProxiedAnswer
from vestibule.gateway.exchange import Exchange, State
from vestibule.gateway.proxied import EXPIRY_GRACE
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.sse_clients.session import SseSession
from vestibule.model import Principal

if TYPE_CHECKING:
    from vestibule.gateway.lane import Lane
    from vestibule.gateway.routes import Route


class SseStream(Exchange):
    __slots__ = ("_answer", "_session", "_unread")
    has_sessions = False

    def __init__(
        self, lane: "Lane", route: "Route", request: ProxiedRequest, *, keep_alive: bool, request_id: str, now: float
    ) -> None:
        super().__init__(lane, route, request, keep_alive=keep_alive, request_id=request_id, now=now)
        self._answer: ProxiedAnswer | None = None
        self._session: SseSession | None = None
        self._unread: asyncio.Event | None = None  # set when the client has read; there only while it has not

    @property
    def is_stream(self) -> bool:
        return self._answer is not None

    @property
    def owes_answers(self) -> bool:
        return self._session is not None and self._session.is_waited_for

    def leave(self) -> None:
        self.state = State.ANSWERING
        gateway = self.lane.gateway
        session_id = gateway.entropy(16).hex().encode()
        self._answer = answer = ProxiedAnswer(
            200,
            gateway.heads.read([(b"content-type", b"text/event-stream")]),
            None,
            date_line=self.lane.date_line(),
            session=None,
        )
        self.keep_alive = self.keep_alive and not self.lane.is_closing_soon
        answer.end_head(close=not self.keep_alive, request_id=self.request_id, more=self.more_headers())
        answer.add(_event(b"endpoint", b"%b?sessionId=%b" % (self.route.resource.message_path.encode(), session_id)))
        gateway.streams.add(self)
        if self.principal is not None:
            self._ends_with(self.principal)
        self._session = SseSession(self, session_id)
        gateway.sse_sessions.add(self._session)
        self.lane.write(answer.flush())

    def _ends_with(self, principal: Principal) -> None:
        left = principal.expires_at.timestamp() + EXPIRY_GRACE - self.lane.gateway.clock()
        self.deadline = self.lane.loop.time() + max(left, 0.0)

    def carry_on(self, principal: Principal | None) -> None:
        """A message of the same principal came with this token."""
        if principal is None or self.principal is None or principal.expires_at <= self.principal.expires_at:
            return
        self.principal = principal
        self._ends_with(principal)

    async def say(self, message: bytes) -> None:
        """One message, once the client takes what it has been told. Without line breaks."""
        while self._unread is not None:  # whoever was faster may have said too much again
            await self._unread.wait()
        self.say_now(message)

    def say_now(self, message: bytes) -> None:
        if self.state is State.ANSWERING and self._answer is not None:
            self._answer.add(_event(b"message", message))
            self.lane.write(self._answer.flush())

    # --- from the client --------------------------------------------------------------------------------------------

    def client_paused(self) -> None:
        self._unread = self._unread or asyncio.Event()

    def client_resumed(self) -> None:
        unread, self._unread = self._unread, None
        if unread is not None:
            unread.set()

    # --- ends -------------------------------------------------------------------------------------------------------

    def revoke(self, now: float) -> None:
        if self.state is State.ANSWERING:
            self.stop()
        else:
            super().revoke(now)

    def stop(self) -> None:
        if self.state is not State.ANSWERING or self._answer is None:
            super().stop()
            return
        self._answer.finish()
        self.lane.write(self._answer.flush())
        self.end()
        self.lane.close_soon()

    def tick(self, now: float) -> None:
        if self.state is not State.ANSWERING:
            return
        if self.deadline and now >= self.deadline:
            self.stop()
        elif now - self.lane.last_write >= self.route.limits.keep_alive_seconds and not self.lane.is_unread:
            self.lane.write(COMMENT)

    def end(self, *, answered: bool = False) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.end()
        super().end(answered=answered)


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data)
