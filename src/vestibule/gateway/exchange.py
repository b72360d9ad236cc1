"""One MCP request on its way through, and its answer on the way back.

    ADMITTING   the head is checked; the token may need more than the cache; a little of the body may wait here
    COLLECTING  admitted; a small body is awaited whole, so that it leaves with the head in one write
    CONNECTING  a connection to the upstream is being made
    WAITING     the request is on its way or sent; nothing has come back yet
    ANSWERING   the head of the answer has been passed on; its body follows as it comes
    DISCARDING  the client has left a legacy request: the upstream goes on, its answer is read and dropped
    DONE

Back-pressure goes both ways: whoever cannot be written to makes the other side stop being read. Nothing here decodes a
message; the one look into a body is for the id of a request that is refused.
"""

from enum import IntEnum
from typing import TYPE_CHECKING

from vestibule.errors import (
    BadRequest,
    BodyTooLarge,
    Refusal,
    UpstreamCredentialFailed,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from vestibule.gateway.headers import Header
from vestibule.gateway.heads import answer_head, request_head
from vestibule.gateway.upstream import UpstreamConnection
from vestibule.model import Era, Principal
from vestibule.protocol.messages import id_of

if TYPE_CHECKING:
    from vestibule.gateway.gateway import Route
    from vestibule.gateway.lane import Lane

SMALL_BODY = 64 * 1024
MAX_DISCARDED = 64 * 1024 * 1024
DISCARD_SECONDS = 300.0
EXPIRY_GRACE = 30.0  # a stream ends this long after its token; a refresh in time opens the next one before

_COMMENT = b"f\r\n: still there\n\n\r\n"  # one chunk of 15 bytes


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
        "_body",
        "_body_done",
        "_body_size",
        "_chunked",
        "_headers",
        "_length",
        "_method",
        "_query",
        "_session",
        "_streams_body",
        "_tail",
        "_upstream",
        "deadline",
        "era",
        "is_stream",
        "keep_alive",
        "lane",
        "last_activity",
        "next_nonce",
        "out",
        "principal",
        "request_id",
        "route",
        "state",
    )

    def __init__(
        self,
        lane: "Lane",
        route: "Route",
        *,
        method: bytes,
        query: bytes,
        headers: list[Header],
        length: int | None,
        chunked: bool,
        era: Era,
        keep_alive: bool,
        request_id: str,
        now: float,
    ) -> None:
        self.lane = lane
        self.route = route
        self.era = era
        self.state = State.ADMITTING
        self.principal: Principal | None = None
        self.keep_alive = keep_alive
        self.request_id = request_id
        self.is_stream = False
        self.out: list[bytes] = []
        self.last_activity = now
        self.next_nonce = ""  # of DPoP, for the client to use next
        self.deadline = 0.0  # on the loop's clock; 0: none
        self._method = method
        self._query = query
        self._headers = headers
        self._length = length
        self._chunked = chunked
        self._session: bytes | None = None
        self._body: list[bytes] = []
        self._body_size = 0
        self._body_done = length is None and not chunked
        self._streams_body = False
        self._upstream: UpstreamConnection | None = None
        self._tail = b""

    # --- from the client --------------------------------------------------------------------------------------------

    def bind_session(self, upstream_id: bytes) -> None:
        """What the upstream knows the client's session as."""
        self._session = upstream_id

    def admitted(self, principal: Principal | None) -> None:
        """Every check has passed. `lane` calls this, at once or after the token has been verified."""
        self.principal = principal
        self.state = State.COLLECTING
        self._advance()

    def body(self, data: bytes) -> None:
        self._body_size += len(data)
        self.last_activity = self.lane.loop.time()
        if self._body_size > self.route.limits.max_body:
            self.fail(BodyTooLarge(f"The body is longer than {self.route.limits.max_body} bytes."))
            return
        if self._streams_body and self._upstream is not None:
            self._upstream.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
            return
        self._body.append(data)
        if self.state is State.COLLECTING:
            self._advance()
        elif self._body_size > SMALL_BODY:
            self.lane.pause_client()

    def body_complete(self) -> None:
        self._body_done = True
        if self._streams_body and self._upstream is not None:
            if self._chunked:
                self._upstream.transport.write(b"0\r\n\r\n")
            self._upstream.request_sent = True
            self.deadline = self.lane.loop.time() + self.route.first_byte_seconds
        elif self.state is State.COLLECTING:
            self._advance()

    def client_lost(self) -> None:
        """In the modern era, and for a GET stream in any, leaving means cancel; a legacy request goes on without us."""
        if self.state is State.DONE:
            return
        wants_answer = self.era is Era.MODERN or self._method != b"POST" or not self._body_done
        if wants_answer or self._upstream is None:
            self._end()
            return
        self.state = State.DISCARDING
        self.deadline = self.lane.loop.time() + DISCARD_SECONDS
        self._body_size = 0
        self._upstream.transport.resume_reading()

    def client_paused(self) -> None:
        if self._upstream is not None:
            self._upstream.transport.pause_reading()

    def client_resumed(self) -> None:
        if self._upstream is not None:
            self._upstream.transport.resume_reading()

    # --- toward the upstream ----------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Send, as soon as the body is whole or too long to wait for."""
        if not self._body_done and self._body_size <= SMALL_BODY and (self._length or 0) <= SMALL_BODY:
            return
        connection = self.route.pool.take()
        if connection is not None:
            self._send(connection)
            return
        self.state = State.CONNECTING
        if not self._body_done:
            self.lane.pause_client()
        self.lane.spawn(self._connect())

    async def _connect(self) -> None:
        try:
            connection = await self.route.pool.connect()
        except (OSError, TimeoutError) as error:
            self.fail(self._unavailable(f"{type(error).__name__}: {error}"))
            return
        if self.state is not State.CONNECTING:
            self.route.pool.release(connection)
            return
        self._send(connection)
        self.lane.resume_client()

    def _send(self, connection: UpstreamConnection) -> None:
        route, principal = self.route, self.principal
        injected = route.credentials.cached(principal, route.resource.upstream)
        if injected is None:
            self.state = State.CONNECTING
            self.lane.spawn(self._fetch_credential(connection))
            return
        self._upstream = connection
        connection.exchange = self
        self.state = State.WAITING
        parts = request_head(
            method=self._method,
            target=route.target(self._query),
            authority=route.pool.authority,
            headers=self._headers,
            session=self._session,
            injected=injected,
        )
        if self._body_done:
            body = b"".join(self._body)
            if body or self._length is not None or self._chunked:
                parts.append(b"content-length: %d\r\n" % len(body))
            parts += (b"\r\n", body)
            connection.request_sent = True
            self.deadline = self.lane.loop.time() + route.first_byte_seconds
        else:
            self._streams_body = True
            self._chunked = self._length is None
            parts.append(
                b"transfer-encoding: chunked\r\n\r\n"
                if self._length is None
                else b"content-length: %d\r\n\r\n" % self._length
            )
            parts += [b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data for data in self._body]
            self.deadline = 0.0
        connection.transport.write(b"".join(parts))
        if self._streams_body:
            self._body = []

    async def _fetch_credential(self, connection: UpstreamConnection) -> None:
        try:
            await self.route.credentials.headers_for(self.principal, self.route.resource.upstream)
        except Refusal as refusal:
            self.route.pool.release(connection)
            self.fail(refusal)
            return
        if self.state is State.CONNECTING:
            self._send(connection)

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
        self.state = State.ANSWERING
        self.deadline = 0.0
        self._write_head(status, headers, length)

    def _write_head(self, status: int, headers: list[Header], length: int | None) -> None:
        head = answer_head(
            status,
            headers,
            date_line=self.lane.date_line(),
            bind_session=lambda value: self.route.sessions.bind(value, self.principal, self.route.resource),
        )
        self.out = out = head.parts
        self.is_stream = head.is_stream
        if self.is_stream:
            self._begin_stream()
        self._length = None if self.is_stream else length
        self._chunked = self._length is None and status not in (204, 304)
        if self._chunked:
            out.append(b"transfer-encoding: chunked\r\n")
        elif self._length is not None:
            out.append(b"content-length: %d\r\n" % self._length)
        if not self._body_done or self.lane.is_closing_soon:
            self.keep_alive = False  # the answer came before the request was whole; its rest is not another request
        if not self.keep_alive:
            out.append(b"connection: close\r\n")
        if self.next_nonce:
            out.append(b"dpop-nonce: %b\r\n" % self.next_nonce.encode())
        out.append(b"x-request-id: %b\r\n\r\n" % self.request_id.encode())

    def _begin_stream(self) -> None:
        self.lane.gateway.streams.add(self)
        if self.principal is not None:
            left = self.principal.expires_at.timestamp() + EXPIRY_GRACE - self.lane.gateway.clock()
            self.deadline = self.lane.loop.time() + max(left, 0.0)

    def upstream_data(self, data: bytes) -> None:
        self.last_activity = self.lane.loop.time()
        if self.state is State.ANSWERING:
            if self._chunked:
                self.out += (b"%x\r\n" % len(data), data, b"\r\n")
                if self.is_stream:
                    self._tail = data[-4:] if len(data) >= 4 else (self._tail + data)[-4:]
            else:
                self.out.append(data)
        elif self.state is State.DISCARDING:
            self._body_size += len(data)
            if self._body_size > MAX_DISCARDED:
                self._end()

    def upstream_flush(self) -> None:
        """The upstream's bytes of one read have been understood; pass them on in one write."""
        if self.state is State.ANSWERING:
            self._write_out()

    def upstream_end(self) -> None:
        self._upstream = None
        if self.state is State.ANSWERING:
            if self._chunked:
                self.out.append(b"0\r\n\r\n")
            self._write_out()
            self._end(answered=True)
        elif self.state is State.DISCARDING:
            self._end()
        elif self.state is State.WAITING:
            self.fail(self._unavailable("the answer had no head"))

    def _write_out(self) -> None:
        if self.out:
            self.lane.write(b"".join(self.out))
            self.out = []

    def upstream_lost(self, reason: str) -> None:
        self._upstream = None
        if self.state is State.ANSWERING:
            # Half an answer must not look like a whole one: the connection ends without the framing's own end.
            self.upstream_flush()
            self.lane.gateway.counters.broken_answers += 1
            self._end()
            self.lane.abort()
        elif self.state is not State.DONE:
            self.fail(self._unavailable(reason))

    def upstream_paused(self) -> None:
        self.lane.pause_client()

    def upstream_resumed(self) -> None:
        self.lane.resume_client()

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
        rpc_id = id_of(b"".join(self._body)) if self._body_done and self._body else None
        body_done = self._body_done
        self._end()
        self.lane.refuse(
            refusal,
            self.route,
            rpc_id=rpc_id,
            request_id=self.request_id,
            body_done=body_done,
            keep_alive=self.keep_alive,
        )

    def end_stream(self) -> None:
        """A clean end of a stream whose token has ended, or whose server shuts down."""
        if self.state is not State.ANSWERING:
            return
        self.lane.write(b"0\r\n\r\n" if self._chunked else b"")
        self._end()
        self.lane.close_soon()

    def tick(self, now: float) -> None:
        """Called about once a second, with the loop's time."""
        if self.deadline and now >= self.deadline:
            self._out_of_time()
        elif self.state is State.ANSWERING:
            timeouts = self.route
            if now - self.last_activity > timeouts.idle_seconds:
                self._out_of_time()
            elif self.is_stream:
                self._keep_alive_comment(now)
        elif self._awaits_body() and now - self.last_activity > self.route.limits.body_seconds:
            self.fail(BadRequest("The rest of the request did not come.", action="Send it without pauses."))

    def _awaits_body(self) -> bool:
        if self._body_done or self.lane.client_is_paused:
            return False
        return self._streams_body or self.state in (State.ADMITTING, State.COLLECTING)

    def _keep_alive_comment(self, now: float) -> None:
        quiet = now - max(self.last_activity, self.lane.last_write)
        at_boundary = not self._tail or self._tail.endswith((b"\n\n", b"\r\r")) or self._tail == b"\r\n\r\n"
        if quiet >= self.route.limits.keep_alive_seconds and at_boundary:
            self.lane.write(_COMMENT)

    def _out_of_time(self) -> None:
        if self.is_stream and self.state is State.ANSWERING:
            self.end_stream()
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
        self._body = []
        self.out = []
        self.lane.gateway.forget(self)
        if answered:
            self.lane.exchange_done(keep_alive=self.keep_alive and self._body_done)
        else:
            self.lane.exchange_gone(self)
