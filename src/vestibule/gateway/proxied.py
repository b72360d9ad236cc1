"""A request on its way through to an upstream, and its answer on the way back.

    CONNECTING  a line to the upstream is being made, or its credential fetched
    WAITING     the request is on its way or sent; nothing has come back yet
    ANSWERING   the head of the answer has been passed on; its body follows as it comes
    DISCARDING  the client has left a legacy request: the upstream goes on, its answer is read and dropped

What comes before, `exchange` tells. Back-pressure goes both ways: whoever cannot be written to makes the other side
stop being read. Nothing here decodes a message: `listing` reads an answer where a caller may not see all of it.
"""

from typing import TYPE_CHECKING

from vestibule.errors import Refusal
from vestibule.gateway.answer import COMMENT, ProxiedAnswer
from vestibule.gateway.exchange import Exchange, State, revoked
from vestibule.gateway.headers import Header
from vestibule.gateway.heads import session_of
from vestibule.gateway.listing import ListingAnswer
from vestibule.gateway.refusals import credential_failed, too_late, unavailable
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.upstreams.lines import Line
from vestibule.model import Era

if TYPE_CHECKING:
    from vestibule.gateway.lane import Lane
    from vestibule.gateway.routes import Route

DOCUMENT_SPEED = 500  # bytes per second; the silence of what comes slower than that adds up
MAX_DISCARDED = 64 * 1024 * 1024
DISCARD_SECONDS = 300.0
REVOKED_GRACE = 30.0  # what was asked before a revocation may be answered for so long, but not by a stream
EXPIRY_GRACE = 30.0  # a stream ends this long after its token; a refresh in time opens the next one before


class ProxiedExchange(Exchange):
    """See the top of the file."""

    __slots__ = ("_answer", "_discarded", "_has_answered", "_is_revoked", "_line", "last_activity")

    def __init__(
        self, lane: "Lane", route: "Route", request: ProxiedRequest, *, keep_alive: bool, request_id: str, now: float
    ) -> None:
        super().__init__(lane, route, request, keep_alive=keep_alive, request_id=request_id, now=now)
        self.last_activity = now
        self._answer: ProxiedAnswer | None = None
        self._discarded = 0
        self._has_answered = False
        self._is_revoked = False
        self._line: Line | None = None

    @property
    def is_stream(self) -> bool:
        return self._answer is not None and self._answer.is_stream

    # --- from the client --------------------------------------------------------------------------------------------

    def more(self, data: bytes) -> None:
        if self._line is not None:
            self._line.write(data)

    def end_of_body(self, end: bytes) -> None:
        self.more(end)
        self._sent()

    def client_lost(self) -> None:
        """In the modern era, and for a GET stream in any, leaving means cancel; a legacy request goes on without us."""
        if self.state is State.DONE:
            return
        request = self.request
        wants_answer = request.era is Era.MODERN or request.method != b"POST" or not request.is_whole
        if wants_answer or self._line is None:
            self.end()
            return
        self.state = State.DISCARDING
        self.deadline = self.lane.loop.time() + DISCARD_SECONDS
        self._line.resume()

    def client_paused(self) -> None:
        if self._line is not None:
            self._line.pause()

    def client_resumed(self) -> None:
        if self._line is not None:
            self._line.resume()

    # --- toward the upstream ----------------------------------------------------------------------------------------

    def waits_for(self) -> bool:
        return self.route.pool.takes_whole_requests and not self.request.is_whole

    def leave(self) -> None:
        line = self.route.pool.take(self.request)
        if line is not None:
            self._send(line)
            return
        self.state = State.CONNECTING
        if not self.request.is_whole:
            self.lane.pause_client()
        self.lane.spawn(self._connect())

    async def _connect(self) -> None:
        try:
            line = await self.route.pool.connect(self.request)
        except (OSError, TimeoutError) as error:
            self.fail(unavailable(self.route.name, f"{type(error).__name__}: {error}"))
            return
        except Refusal as refusal:
            self.fail(refusal)
            return
        if self.state is not State.CONNECTING:
            line.give_back()
            return
        self._send(line)
        self.lane.resume_client()

    def _send(self, line: Line) -> None:
        injected = self.route.credentials.cached(self.principal, self.route.resource.upstream)
        if injected is None:
            self.state = State.CONNECTING
            self.lane.spawn(self._fetch_credential(line))
            return
        self._line = line
        if self.lane.is_unread:
            line.pause()
        self.state = State.WAITING
        if self.request.is_whole:
            self._begin_waiting()
        line.send(self.request, injected, self)

    async def _fetch_credential(self, line: Line) -> None:
        try:
            await self.route.credentials.headers_for(self.principal, self.route.resource.upstream)
        except Refusal as refusal:
            line.give_back()
            self.fail(refusal)
            return
        if self.state is State.CONNECTING:
            self._send(line)
        else:
            line.give_back()

    def _sent(self) -> None:
        """The whole request is on its way."""
        if self._line is not None:
            self._line.finish()
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        """Now it is the upstream's turn, unless it has begun already."""
        if self.state is State.WAITING and not self._is_revoked:
            self.deadline = self.lane.loop.time() + self.route.first_byte_seconds

    # --- from the upstream ------------------------------------------------------------------------------------------

    def upstream_head(self, status: int, headers: list[Header], length: int | None) -> None:
        if self.state is not State.WAITING:
            return
        if status in (401, 403, 407):
            self.route.credentials.drop(self.principal, self.route.resource.upstream)
            self.fail(credential_failed(self.route.name, status))
            return
        if 300 <= status < 400:
            self.fail(unavailable(self.route.name, f"upstream answered {status}: redirects are not followed"))
            return
        try:
            answer = self._make_answer(status, headers, length)
        except ValueError as error:
            self.fail(unavailable(self.route.name, str(error)))
            return
        if answer.is_stream and self._is_revoked:
            self.fail(revoked())
            return
        self._begin_answer(answer)

    def _make_answer(self, status: int, headers: list[Header], length: int | None) -> ProxiedAnswer:
        """Raises `ValueError` for a listing that cannot be read."""

        head, session = self.lane.gateway.heads.read(headers), None
        if (begun := session_of(headers)) is not None:
            session = self.route.sessions.bind(begun, self.principal, self.route.resource)
        date_line = self.lane.date_line()
        if not self._is_listing():
            return ProxiedAnswer(status, head, length, date_line=date_line, session=session)
        return ListingAnswer(
            status,
            head,
            headers,
            date_line=date_line,
            session=session,
            may_list=lambda tool: self.route.judge.may_list(self, tool),
            is_modern=self.request.era is Era.MODERN,
        )

    def _is_listing(self) -> bool:
        """A GET stream too: there a legacy client may take up again what it has lost."""
        asks = self.operation.method == "tools/list" or self.request.method == b"GET"
        return asks and self.route.resource.upstream.hide_denied

    def _begin_answer(self, answer: ProxiedAnswer) -> None:
        self.state = State.ANSWERING
        if not self._is_revoked:
            self.deadline = 0.0
        self.last_activity = self.lane.loop.time()
        self._answer = answer
        if answer.is_stream:
            self._begin_stream()
        if not self.request.is_whole or self.lane.is_closing_soon:
            self.keep_alive = False  # the answer came before the request was whole; its rest is not another request
        answer.end_head(close=not self.keep_alive, request_id=self.request_id, more=self.more_headers())

    def _begin_stream(self) -> None:
        self.lane.gateway.streams.add(self)
        self.lane.lighten()
        self.request.lighten()
        if self.principal is not None:
            left = self.principal.expires_at.timestamp() + EXPIRY_GRACE - self.lane.gateway.clock()
            self.deadline = self.lane.loop.time() + max(left, 0.0)

    def upstream_data(self, data: bytes) -> None:
        now = self.lane.loop.time()
        # A byte a minute keeps a stream, as a comment does, but no document.
        self.last_activity = now if self.is_stream else min(now, self.last_activity + len(data) / DOCUMENT_SPEED)
        if self.state is State.ANSWERING and self._answer is not None:
            try:
                self._answer.add(data)
            except ValueError as error:
                self._give_up(f"a listing: {error}")
        elif self.state is State.DISCARDING:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED:
                self.end()

    def upstream_flush(self) -> None:
        """The upstream's bytes of one read have been understood; pass them on in one write."""
        if self.state is State.ANSWERING and self._answer is not None and (data := self._answer.flush()):
            self._has_answered = True
            self.lane.write(data)

    def upstream_end(self) -> None:
        self._line = None
        if self.state is State.ANSWERING and self._answer is not None:
            try:
                self._answer.finish()
            except ValueError as error:
                self._give_up(f"a listing: {error}")
                return
            self.upstream_flush()
            self.end(answered=True)
        elif self.state is State.DISCARDING:
            self.end()
        elif self.state is State.WAITING:
            self.fail(unavailable(self.route.name, "the answer had no head"))

    def upstream_lost(self, reason: str) -> None:
        self._line = None
        if self.state is State.ANSWERING:
            self._give_up(reason)
        elif self.state is not State.DONE:
            self.fail(unavailable(self.route.name, reason))

    def upstream_refused(self, refusal: Refusal) -> None:
        self._line = None
        if self.state is State.ANSWERING:
            self._give_up(refusal.detail or refusal.message)
        else:
            self.fail(refusal)

    def _give_up(self, reason: str) -> None:
        """The answer cannot go on. What has not begun is a refusal; what has, breaks off."""
        if not self._has_answered:
            self.state = State.WAITING
            self.fail(unavailable(self.route.name, reason))
        else:
            # Half an answer must not look like a whole one: the connection ends without the framing's own end.
            self.upstream_flush()
            self.lane.gateway.counters.broken_answers += 1
            self.end()
            self.lane.abort()

    def upstream_paused(self) -> None:
        """An upstream that does not read a body has as long as one that does not answer."""
        self.lane.pause_client()
        if self.state is State.WAITING and not self.request.is_whole and not self._is_revoked:
            self.deadline = self.lane.loop.time() + self.route.first_byte_seconds

    def upstream_resumed(self) -> None:
        self.lane.resume_client()
        if self.state is State.WAITING and not self.request.is_whole and not self._is_revoked:
            self.deadline = 0.0

    # --- ends -------------------------------------------------------------------------------------------------------

    def fail(self, refusal: Refusal) -> None:
        if self.state is State.DISCARDING:
            self.end()
        else:
            super().fail(refusal)

    def revoke(self, now: float) -> None:
        """A stream ends, or does not begin; one document may still be answered, soon."""
        if self.state is State.ANSWERING and self.is_stream:
            self.stop()
        elif self.state in (State.WAITING, State.ANSWERING):
            self._is_revoked = True
            self.deadline = min(self.deadline or now + REVOKED_GRACE, now + REVOKED_GRACE)
        else:
            super().revoke(now)

    def stop(self) -> None:
        """A stream has an end between any two events. A document has not."""
        if not self.is_stream or self.state is not State.ANSWERING or self._answer is None:
            super().stop()
            return
        self._answer.finish()
        self.upstream_flush()
        self.end()
        self.lane.close_soon()

    def tick(self, now: float) -> None:
        if self.deadline and now >= self.deadline:
            self._out_of_time()
        elif self.state is State.ANSWERING:
            if now - self.last_activity > self.route.idle_seconds:
                self._out_of_time()
            elif self.is_stream:
                self._keep_alive_comment(now)

    def _keep_alive_comment(self, now: float) -> None:
        quiet = now - max(self.last_activity, self.lane.last_write)
        is_between = self._answer is not None and self._answer.is_between_events
        if quiet >= self.route.limits.keep_alive_seconds and is_between and not self.lane.is_unread:
            self.lane.write(COMMENT)

    def _out_of_time(self) -> None:
        if self.state is State.ANSWERING:
            self.stop()
        elif self.state is State.WAITING and self._is_revoked:
            self.fail(revoked())
        elif self.state is State.WAITING:
            self.fail(too_late(self.route.name))
        else:
            self.end()
            self.lane.abort()

    def end(self, *, answered: bool = False) -> None:
        self.state = State.DONE
        line, self._line = self._line, None
        if line is not None:
            line.abandon()
        super().end(answered=answered)
