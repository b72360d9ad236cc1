"""POST …/message: one message of an HTTP+SSE client.

It is admitted, judged, counted and told as every MCP request is, and taken with a 202; its answer comes on the stream.
A refusal is this request's answer. It is also put on the stream as the answer to the call, because old clients wait
there and nowhere else; but not where signing in anew makes them send the call again (401, and a scope that is missing).
"""

from typing import TYPE_CHECKING

from vestibule.errors import BadRequest, InsufficientScope, Refusal
from vestibule.gateway.answer import ProxiedAnswer
from vestibule.gateway.exchange import Exchange, State
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.sse_clients.asking import Message
from vestibule.gateway.sse_clients.session import SseSession
from vestibule.protocol.messages import asked_id, error_body, not_found_body, read_envelope

if TYPE_CHECKING:
    from vestibule.gateway.lane import Lane
    from vestibule.gateway.routes import Route

_TO_ALL = frozenset((b"user-agent", b"accept-language", b"traceparent", b"tracestate", b"baggage"))
_ANSWER = b"Accepted"


class SseMessage(Exchange):
    __slots__ = ("_session",)
    has_sessions = False

    def __init__(
        self, lane: "Lane", route: "Route", request: ProxiedRequest, *, keep_alive: bool, request_id: str, now: float
    ) -> None:
        super().__init__(lane, route, request, keep_alive=keep_alive, request_id=request_id, now=now)
        self._session: SseSession | None = None

    def waits_for(self) -> bool:
        return not self.request.is_whole

    def admitted(self) -> None:
        sessions = self.lane.gateway.sse_sessions
        try:
            self._session = sessions.find(self.request.query, self.principal, self.route.resource)
            self._check_head()
        except Refusal as refusal:
            self.fail(refusal)
            return
        super().admitted()

    def _check_head(self) -> None:
        """The message is read here, so it comes as it is."""
        head = dict(self.request.headers)
        kind = head.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json" or head.get(b"content-encoding", b"identity").lower() != b"identity":
            raise BadRequest("A message is JSON, and not compressed.", action="Send Content-Type: application/json.")

    def _advance(self) -> None:
        if self.request.is_whole and self._is_answered_here():
            return
        super()._advance()

    def _is_answered_here(self) -> bool:
        """Eras later than this transport are asked for with it: whoever knows them falls back to initialize."""
        text = self.request.text()
        if self._session is None or b"server/discover" not in text:
            return False
        envelope = read_envelope(text)
        if envelope is None or envelope.method != "server/discover" or envelope.id is None:
            return False
        self._session.tell(not_found_body(envelope.id, envelope.method))
        self._take()
        return True

    def leave(self) -> None:
        assert self._session is not None
        text = self.request.text()
        try:
            envelope = read_envelope(text)
            if envelope is None:
                raise BadRequest("The body is not one JSON-RPC message.", action="Send one message at a time, as JSON.")
            headers = [(name, value) for name, value in self.request.headers if name in _TO_ALL]
            self._session.take(Message(text, envelope.method, envelope.id, headers, self.principal, self.request_id))
        except Refusal as refusal:
            self.fail(refusal)
            return
        self._take()

    def _take(self) -> None:
        self.state = State.ANSWERING
        self.keep_alive = self.keep_alive and not self.lane.is_closing_soon
        answer = ProxiedAnswer(
            202,
            self.lane.gateway.heads.read([(b"content-type", b"text/plain")]),
            len(_ANSWER),
            date_line=self.lane.date_line(),
            session=None,
        )
        answer.end_head(close=not self.keep_alive, request_id=self.request_id, more=self.more_headers())
        answer.add(_ANSWER)
        self.lane.write(answer.flush())
        self.end(answered=True)

    def fail(self, refusal: Refusal) -> None:
        is_open = self.state in (State.ADMITTING, State.COLLECTING)
        asks_again = refusal.status == 401 or isinstance(refusal, InsufficientScope)
        rpc_id = asked_id(self.request.text()) if is_open and not asks_again else None
        session = self._session
        super().fail(refusal)
        if session is not None and rpc_id is not None:
            session.tell(error_body(refusal, rpc_id=rpc_id, request_id=self.request_id))
