"""One MCP request on its way through, and its answer on the way back.

    ADMITTING   the head is checked; the token may need more than the cache; a little of the body may wait here
    COLLECTING  admitted; a small body is awaited whole, so that it leaves with the head in one write; one that has to
                be judged is awaited whole whatever its size
    CONNECTING  a connection to the upstream is being made
    WAITING     the request is on its way or sent; nothing has come back yet
    ANSWERING   the head of the answer has been passed on; its body follows as it comes
    DISCARDING  the client has left a legacy request: the upstream goes on, its answer is read and dropped
    DONE

Back-pressure goes both ways: whoever cannot be written to makes the other side stop being read. Nothing here decodes a
message: `judge` reads a request where a decision hangs on it, `listing` what tools it may be shown.
"""

from enum import IntEnum
from typing import TYPE_CHECKING

from vestibule.errors import (
    Allowance,
    BadRequest,
    BodyTooLarge,
    Refusal,
    StoreUnavailable,
    TokenRevoked,
    UpstreamCredentialFailed,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from vestibule.gateway.answer import COMMENT, ProxiedAnswer
from vestibule.gateway.headers import Header
from vestibule.gateway.listing import ListingAnswer
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.upstream import UpstreamConnection
from vestibule.model import Era, Operation, Principal, TenantId
from vestibule.protocol.messages import id_of
from vestibule.protocol.rate_limit import rate_limit_headers

if TYPE_CHECKING:
    from vestibule.gateway.gateway import Route
    from vestibule.gateway.lane import Lane

MAX_DISCARDED = 64 * 1024 * 1024
DISCARD_SECONDS = 300.0
REVOKED_GRACE = 30.0  # what was asked before a revocation may be answered for so long, but not by a stream
EXPIRY_GRACE = 30.0  # a stream ends this long after its token; a refresh in time opens the next one before


class State(IntEnum):
    ADMITTING = 0
    COLLECTING = 1
    CONNECTING = 2
    WAITING = 3
    ANSWERING = 4
    DISCARDING = 5
    DONE = 6


class Exchange:
    """See the top of the file."""

    __slots__ = (
        "_answer",
        "_discarded",
        "_has_answered",
        "_is_revoked",
        "_upstream",
        "allowance",
        "deadline",
        "era",
        "is_judged",
        "keep_alive",
        "lane",
        "last_activity",
        "next_nonce",
        "operation",
        "principal",
        "request",
        "request_id",
        "route",
        "state",
    )

    def __init__(
        self,
        lane: "Lane",
        route: "Route",
        request: ProxiedRequest,
        *,
        era: Era,
        keep_alive: bool,
        request_id: str,
        now: float,
    ) -> None:
        self.lane = lane
        self.route = route
        self.request = request
        self.era = era
        self.state = State.ADMITTING
        self.principal: Principal | None = None
        self.keep_alive = keep_alive
        self.request_id = request_id
        self.last_activity = now
        self.next_nonce = ""  # of DPoP, for the client to use next
        self.operation = Operation()
        self.is_judged = False
        self.allowance: Allowance | None = None
        self.deadline = 0.0  # on the loop's clock; 0: none
        self._answer: ProxiedAnswer | None = None
        self._discarded = 0
        self._has_answered = False
        self._is_revoked = False
        self._upstream: UpstreamConnection | None = None

    @property
    def is_stream(self) -> bool:
        return self._answer is not None and self._answer.is_stream

    @property
    def tenant(self) -> TenantId:
        return self.principal.tenant if self.principal is not None else ""

    # --- from the client --------------------------------------------------------------------------------------------

    def admitted(self) -> None:
        """Every check of the head has passed. `lane` calls this, at once or after the token has been verified."""
        self.state = State.COLLECTING
        self._advance()

    def body(self, data: bytes) -> None:
        request = self.request
        now = request.add(data)
        if request.size > self.route.limits.max_body:
            self.fail(BodyTooLarge(f"The body is longer than {self.route.limits.max_body} bytes."))
        elif request.is_batch and self.route.call_limits is not None:
            self.fail(BadRequest("A batch is many calls, and is counted as one.", action="Send one message at a time."))
        elif request.has_left:
            self._pass_on(now)
        elif self.state is State.COLLECTING:
            self._advance()
        elif request.is_long:
            self.lane.pause_client()

    def body_complete(self) -> None:
        end = self.request.finish()
        if self.request.has_left:
            self._pass_on(end)
            self._sent()
        elif self.state is State.COLLECTING:
            self._advance()

    def client_lost(self) -> None:
        """In the modern era, and for a GET stream in any, leaving means cancel; a legacy request goes on without us."""
        if self.state is State.DONE:
            return
        wants_answer = self.era is Era.MODERN or self.request.method != b"POST" or not self.request.is_whole
        if wants_answer or self._upstream is None:
            self._end()
            return
        self.state = State.DISCARDING
        self.deadline = self.lane.loop.time() + DISCARD_SECONDS
        self._upstream.transport.resume_reading()

    def client_paused(self) -> None:
        if self._upstream is not None:
            self._upstream.transport.pause_reading()

    def client_resumed(self) -> None:
        if self._upstream is not None:
            self._upstream.transport.resume_reading()

    # --- toward the upstream ----------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Send, as soon as it has been judged, and the body is whole or too long to wait for."""
        judge = self.route.judge
        try:
            if not self.is_judged:
                judge.check_body(self)
            if not self.is_judged or not (self.request.is_whole or self.request.is_long):
                return
            judge.tell_allowed(self)
        except Refusal as refusal:
            self.fail(refusal)
            return
        connection = self.route.pool.take(self.tenant)
        if connection is not None:
            self._send(connection)
            return
        self.state = State.CONNECTING
        if not self.request.is_whole:
            self.lane.pause_client()
        self.lane.spawn(self._connect())

    async def _connect(self) -> None:
        try:
            connection = await self.route.pool.connect(self.tenant)
        except (OSError, TimeoutError) as error:
            self.fail(self._unavailable(f"{type(error).__name__}: {error}"))
            return
        if self.state is not State.CONNECTING:
            self.route.pool.release(connection)
            return
        self._send(connection)
        self.lane.resume_client()

    def _send(self, connection: UpstreamConnection) -> None:
        injected = self.route.credentials.cached(self.principal, self.route.resource.upstream)
        if injected is None:
            self.state = State.CONNECTING
            self.lane.spawn(self._fetch_credential(connection))
            return
        self._upstream = connection
        connection.exchange = self
        if self.lane.is_unread:
            connection.transport.pause_reading()
        self.state = State.WAITING
        if self.request.is_whole:
            self._sent()
        self._pass_on(self.request.leave(self.route, injected))

    async def _fetch_credential(self, connection: UpstreamConnection) -> None:
        try:
            await self.route.credentials.headers_for(self.principal, self.route.resource.upstream)
        except Refusal as refusal:
            self.route.pool.release(connection)
            self.fail(refusal)
            return
        if self.state is State.CONNECTING:
            self._send(connection)
        else:
            self.route.pool.release(connection)

    def _pass_on(self, data: bytes) -> None:
        if self._upstream is not None:
            self._upstream.transport.write(data)

    def _sent(self) -> None:
        """The whole request is on its way: now it is the upstream's turn, unless it has begun already."""
        if self._upstream is not None:
            self._upstream.request_sent = True
        if self.state is State.WAITING and not self._is_revoked:
            self.deadline = self.lane.loop.time() + self.route.first_byte_seconds

    # --- from the upstream ------------------------------------------------------------------------------------------

    def upstream_head(self, status: int, headers: list[Header], length: int | None) -> None:
        if self.state is not State.WAITING:
            return
        if status in (401, 403, 407):
            self.route.credentials.drop(self.principal, self.route.resource.upstream)
            self.fail(
                UpstreamCredentialFailed(
                    f"The MCP server {self.route.name} did not accept what this gateway showed it.",
                    action="Tell the operator: the upstream's credential is wrong, missing or expired.",
                    detail=f"upstream answered {status}",
                )
            )
            return
        if 300 <= status < 400:
            self.fail(self._unavailable(f"upstream answered {status}: redirects are not followed"))
            return
        try:
            answer = self._make_answer(status, headers, length)
        except ValueError as error:
            self.fail(self._unavailable(str(error)))
            return
        if answer.is_stream and self._is_revoked:
            self.fail(_revoked())
            return
        self._begin_answer(answer)

    def _make_answer(self, status: int, headers: list[Header], length: int | None) -> ProxiedAnswer:
        """Raises `ValueError` for a listing that cannot be read."""

        def bind_session(value: bytes) -> bytes | None:
            return self.route.sessions.bind(value, self.principal, self.route.resource)

        date_line = self.lane.date_line()
        if not self._is_listing():
            return ProxiedAnswer(status, headers, length, date_line=date_line, bind_session=bind_session)
        return ListingAnswer(
            status,
            headers,
            date_line=date_line,
            bind_session=bind_session,
            may_list=lambda tool: self.route.judge.may_list(self, tool),
            is_modern=self.era is Era.MODERN,
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
        if self.principal is not None:
            left = self.principal.expires_at.timestamp() + EXPIRY_GRACE - self.lane.gateway.clock()
            self.deadline = self.lane.loop.time() + max(left, 0.0)

    def upstream_data(self, data: bytes) -> None:
        self.last_activity = self.lane.loop.time()
        if self.state is State.ANSWERING and self._answer is not None:
            try:
                self._answer.add(data)
            except ValueError as error:
                self._give_up(f"a listing: {error}")
        elif self.state is State.DISCARDING:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED:
                self._end()

    def upstream_flush(self) -> None:
        """The upstream's bytes of one read have been understood; pass them on in one write."""
        if self.state is State.ANSWERING and self._answer is not None and (data := self._answer.flush()):
            self._has_answered = True
            self.lane.write(data)

    def upstream_end(self) -> None:
        self._upstream = None
        if self.state is State.ANSWERING and self._answer is not None:
            try:
                self._answer.finish()
            except ValueError as error:
                self._give_up(f"a listing: {error}")
                return
            self.upstream_flush()
            self._end(answered=True)
        elif self.state is State.DISCARDING:
            self._end()
        elif self.state is State.WAITING:
            self.fail(self._unavailable("the answer had no head"))

    def upstream_lost(self, reason: str) -> None:
        self._upstream = None
        if self.state is State.ANSWERING:
            self._give_up(reason)
        elif self.state is not State.DONE:
            self.fail(self._unavailable(reason))

    def _give_up(self, reason: str) -> None:
        """The answer cannot go on. What has not begun is a refusal; what has, breaks off."""
        if not self._has_answered:
            self.state = State.WAITING
            self.fail(self._unavailable(reason))
        else:
            # Half an answer must not look like a whole one: the connection ends without the framing's own end.
            self.upstream_flush()
            self.lane.gateway.counters.broken_answers += 1
            self._end()
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
        """Answer with a refusal if nothing has been answered yet; otherwise break off."""
        if self.state is State.DONE:
            return
        if self.state is State.DISCARDING:
            self._end()
            return
        if self.state is State.ANSWERING:
            self._end()
            self.lane.abort()
            return
        text = self.request.text()
        rpc_id = id_of(text) if text else None
        if self.state < State.WAITING:
            refusal = self._told(refusal)
        self._end()
        self.lane.refuse(
            refusal,
            self.route,
            rpc_id=rpc_id,
            request_id=self.request_id,
            body_done=self.request.is_whole,
            keep_alive=self.keep_alive,
            more=self.more_headers(refusal),
        )

    def _told(self, refusal: Refusal) -> Refusal:
        """What the client is told: that, or that the trail cannot be written."""
        try:
            self.route.judge.tell_refused(self, refusal)
        except StoreUnavailable as error:
            return error
        return refusal

    def more_headers(self, refusal: Refusal | None = None) -> list[Header]:
        """What an answer says beside the answer: how many calls are left, and DPoP's next nonce."""
        lines: list[Header] = []
        if self.allowance is not None and self.allowance.limit:
            lines += [(name.encode(), value.encode()) for name, value in rate_limit_headers(self.allowance)]
        if self.next_nonce and refusal is None:  # RFC 9449 §8.2: for the client's next proof
            lines.append((b"dpop-nonce", self.next_nonce.encode("ascii")))
        return lines

    def revoke(self, now: float) -> None:
        """The token has been revoked while the exchange was under way.

        What has not left does not leave; a stream ends, or does not begin; one document may still be answered, soon.
        """
        if self.state < State.WAITING:
            self.fail(_revoked())
        elif self.state is State.ANSWERING and self.is_stream:
            self.stop()
        elif self.state in (State.WAITING, State.ANSWERING):
            self._is_revoked = True
            self.deadline = min(self.deadline or now + REVOKED_GRACE, now + REVOKED_GRACE)

    def stop(self) -> None:
        """The answer ends here, because its token has ended or the server shuts down.

        A stream has an end between any two events. A document has not: broken off, it must not look whole.
        """
        if self.state is not State.ANSWERING or self._answer is None:
            return
        if not self.is_stream:
            self._end()
            self.lane.abort()
            return
        self._answer.finish()
        self.upstream_flush()
        self._end()
        self.lane.close_soon()

    def tick(self, now: float) -> None:
        """Called about once a second, with the loop's time."""
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
            self.fail(_revoked())
        elif self.state is State.WAITING:
            self.fail(
                UpstreamTimeout(
                    f"The MCP server {self.route.name} did not answer in time.",
                    action="Try again; if it happens again, tell the operator.",
                )
            )
        else:
            self._end()
            self.lane.abort()

    def _unavailable(self, detail: str) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            f"The MCP server {self.route.name} cannot be reached.",
            action="Try again in a moment. If you run it: check that it is started and that upstreams[].url is right.",
            detail=detail,
        )

    def _end(self, *, answered: bool = False) -> None:
        self.state = State.DONE
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abandon()
        self.lane.gateway.forget(self)
        if answered:
            self.lane.exchange_done(keep_alive=self.keep_alive and self.request.is_whole)
        else:
            self.lane.exchange_gone(self)


def _revoked() -> TokenRevoked:
    return TokenRevoked("The access token was revoked while this request was under way.", action="Sign in again.")
