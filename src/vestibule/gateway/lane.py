"""The server's connection class: the fast lane for MCP, and the ASGI application for everything else.

It is uvicorn's httptools protocol (its TLS, its workers, its signals, its graceful shutdown) with another reading of
requests. One reading only: llhttp without leniencies, and our own checks where it allows more than one (see
`_check_framing`). A request that arrives while another is being answered on the same connection is not read: the
connection closes after the answer, and the client, as HTTP has it, sends it again.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vestibule.errors import (
    BadRequest,
    Refusal,
)
from vestibule.gateway.admission import Admission
from vestibule.gateway.checks import (
    check_framing,
    check_length,
    check_method,
    check_origin,
    check_query,
    check_single,
    check_version,
)
from vestibule.gateway.declined import read_rest
from vestibule.gateway.exchange import Exchange
from vestibule.gateway.flow import Flow, Hold
from vestibule.gateway.framing import Framing
from vestibule.gateway.headers import Header
from vestibule.gateway.lasting import Lasting, apart, weight_of
from vestibule.gateway.patience import Patience, Turn
from vestibule.gateway.preflight import Preflight
from vestibule.gateway.refusals import head_of
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.sockets import has_left
from vestibule.gateway.weight import MAX_URL, Weight
from vestibule.protocol.caller import network_of

if TYPE_CHECKING:
    from vestibule.gateway.gateway import Gateway
    from vestibule.gateway.routes import Route

# Bytes that may wait for a client while its upstream is read: one read brings up to 256 KiB. Over TLS the transport
# itself needs room, and with none never says that it can be written to again.
WRITE_AHEAD = 0
WRITE_AHEAD_TLS = 64 * 1024
LINGER = 1.0  # seconds to let a client read an answer that came before it had finished speaking


_NOTHING: deque[Any] = deque()  # what has been pipelined: see on_message_begin


class _StopReading(Exception):
    pass


class Lane(HttpToolsProtocol):
    """One client connection."""

    gateway: "Gateway"  # set by Gateway.protocol_class

    __slots__ = (
        "_address",
        "_body_over",
        "_deaf",
        "_declined",
        "_exchange",
        "_head_done",
        "_holds",
        "_is_ours",
        "_known",
        "_patience",
        "_swallowing",
        "_weight",
        "is_closing_soon",
        "last_write",
    )  # what uvicorn has of its own, up to thirty, shares its keys; a connection is a kilobyte smaller

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pipeline = _NOTHING
        self.parser = httptools.HttpRequestParser(self)  # without uvicorn's leniency for data after a close
        self._exchange: Exchange | None = None
        self._is_ours = False
        self._deaf = False
        self._swallowing = False
        self._declined: Framing | None = None  # of a body behind the offer of another protocol
        self._head_done = False
        self._body_over = True
        self._weight = Weight(self.gateway.limits)
        self._known: Lasting | None = None  # what the request before said that lasts
        self._holds = 0  # of Hold
        self._patience = Patience(self.gateway.limits, self.loop.time())
        self._address: str | None = None  # of the caller, once somebody wants to know
        self.is_closing_soon = False
        self.last_write = 0.0

    # --- asyncio ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        is_tls = transport.get_extra_info("ssl_object") is not None
        self.transport.set_write_buffer_limits(WRITE_AHEAD_TLS if is_tls else WRITE_AHEAD)
        self.flow = Flow(self)
        self.gateway.lanes.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gateway.lanes.discard(self)
        exchange, self._exchange = self._exchange, None
        super().connection_lost(exc)
        if exchange is not None:
            exchange.client_lost()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        weight = self._weight
        number, body_before = weight.requests, weight.body
        used = 0 if self._deaf else self._feed(data)
        while used < len(data) and not self._deaf:
            used += self._feed(memoryview(data)[used:])
        if self._deaf:
            return
        turn = self._turn()
        if turn is not self._patience.turn or number != weight.requests:
            self._patience.begin(turn, self.loop.time())
        elif not self._body_over:
            self._came(len(data), weight.body - body_before)

    def _feed(self, data: bytes | memoryview) -> int:
        """How much of it has been understood; all of it, unless something stands behind a declined upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _StopReading):
                raise
        except httptools.HttpParserUpgrade as upgrade:
            # Java's client offers h2c with every first request. Declining is to go on as if nothing had been offered
            # (RFC 9110 §7.8); llhttp has stopped there, so what follows the request is for a new parser.
            declined, self._declined = self._declined, None
            self.parser = read_rest(self, declined) if declined else httptools.HttpRequestParser(self)
            return int(upgrade.args[0])
        except httptools.HttpParserError:
            self._refuse_connection(BadRequest("The request is not well-formed HTTP/1.1."))
        return len(data)

    def _came(self, size: int, body: int) -> None:
        """A packet from the middle of a request."""
        self._patience.came(body, self.loop.time())
        if not self._weight.add_packet(size, body=body):
            self._refuse_connection(BadRequest("The request has too much around its body."), status=431)

    def eof_received(self) -> None:
        return None

    def pause_writing(self) -> None:
        super().pause_writing()
        self.hold(Hold.ANSWER)
        if self._exchange is not None:
            self._exchange.client_paused()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.release(Hold.ANSWER)
        if self._exchange is not None:
            self._exchange.client_resumed()

    def shutdown(self) -> None:
        self.is_closing_soon = True
        if self._exchange is None:
            super().shutdown()
        elif self._exchange.is_stream:
            self._exchange.stop()

    # --- the parser's callbacks -------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        # With an answer on its way or waiting to be read, the next request is not: refusals cost us ten times the bytes
        # that they cost a client, and a client that reads as it should is never here.
        if self._in_flight() or self.is_unread:
            self.stop_reading()
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._is_ours = False
        self._head_done = False
        self._body_over = False
        self._declined = None
        self._weight.begin()

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > MAX_URL:
            self._refuse_connection(BadRequest(f"The URL is longer than {MAX_URL} bytes."), status=414)
            raise _StopReading

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self.headers
        if not self._head_done:
            # llhttp leaves white space behind a value; RFC 9112 §5 says that it is not part of it
            headers.append((name.lower(), value.rstrip(b" \t")))
            if len(headers) > self._weight.max_lines:
                self._refuse_head()
        elif not self._weight.add_trailer((name, value)):  # nobody asked for any, and it must not become a header
            self._refuse_head()

    def on_headers_complete(self) -> None:
        known = self._known
        self._known, changing = apart(self.headers, known)
        if self._known is not known:
            self._address = None  # it hangs on the peer and on lines that last
        if not self._weight.add_head(self._known.size + weight_of(changing), len(self.headers)):
            self._refuse_head()
        single = dict(changing)
        self._check_framing(single, self._known)
        self._head_done = True
        path, _, query = self.url.partition(b"?")
        route = self.gateway.routes.get(path)
        if route is None:
            headers, url, expects = self.headers, self.url, self.expect_100_continue
            super().on_message_begin()
            self.headers, self.url, self.expect_100_continue = headers, url, expects
            self.scope["headers"] = headers
            super().on_headers_complete()
            return
        self._is_ours = True
        self._begin(route, query, changing, single)

    def on_chunk_header(self) -> None:
        self._weight.chunks += 1

    def on_body(self, body: bytes) -> None:
        self._weight.body += len(body)
        if not self._is_ours:
            super().on_body(body)
            if self.cycle.response_complete and self._weight.body > self.gateway.limits.max_swallowed:
                self.close_soon(linger=True)
        elif self._exchange is not None and not self._swallowing:
            self._exchange.body(body)

    def on_message_complete(self) -> None:
        if self._declined:
            return  # only its head is; see `declined`
        self._body_over = True
        if not self._is_ours:
            super().on_message_complete()
        elif self._swallowing:
            self._swallowing = False
            if self.is_closing_soon:
                self.close_soon()
        elif self._exchange is not None:
            self._exchange.body_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._answered()

    def _refuse_head(self) -> NoReturn:
        self._refuse_connection(BadRequest("The head of the request is too large."), status=431)
        raise _StopReading

    def _check_framing(self, changing: Mapping[bytes, bytes], lasting: Lasting) -> None:
        """What llhttp leaves open, for every request on this port, ours or the application's."""
        if b"transfer-encoding" in changing:
            codings = [value for name, value in self.headers if name == b"transfer-encoding"]
            if codings != [b"chunked"] or self.parser.get_http_version() != "1.1":
                self._refuse_connection(BadRequest("The only transfer coding here is chunked."), status=501)
                raise _StopReading
        self.expect_100_continue = changing.get(b"expect", b"").lower() == b"100-continue"
        if not self.url.startswith(b"/") or b"#" in self.url:
            self._refuse_connection(BadRequest("The request target is not a path of this server."))
            raise _StopReading
        if lasting.hosts != 1:
            self._refuse_connection(BadRequest("A request has exactly one Host header."))
            raise _StopReading
        if self.parser.should_upgrade():
            self.headers = [(name, value) for name, value in self.headers if name not in (b"upgrade", b"connection")]
            length, chunked = int(changing.get(b"content-length", b"0")), b"transfer-encoding" in changing
            self._declined = Framing(length or None, chunked) if length or chunked else None

    # --- one request ------------------------------------------------------------------------------------------------

    def _begin(self, route: "Route", query: bytes, changing: list[Header], single: Mapping[bytes, bytes]) -> None:
        """The checks that come before a single byte of the body, in order. `single`: what changes, by name."""
        gateway, parser = self.gateway, self.parser
        gateway.counters.requests += 1
        method, version, lasting = parser.get_method(), parser.get_http_version(), self._known
        assert lasting is not None
        length = int(single[b"content-length"]) if b"content-length" in single else None
        chunked = b"transfer-encoding" in single
        framing = Framing(length, chunked)
        kind = Preflight if method == b"OPTIONS" and route.takes_preflights else route.exchange
        self._exchange = exchange = kind(
            self,
            route,
            ProxiedRequest(method, query, self.headers, framing, era=lasting.era, parts=(lasting, changing)),
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            request_id=gateway.request_id(),
            now=self.loop.time(),
        )
        gateway.exchanges.add(exchange)
        try:
            if len(single) < len(changing):
                check_single(changing)
            lasting.check_single()
            exchange.check_addressed(lasting.host, single, gateway.hosts)
            exchange.origin = check_origin(lasting.origin, gateway.origins)
            if kind is not Preflight:
                check_method(method, route.methods)
            check_version(version)
            check_length(length, gateway.limits.max_body)
            check_framing(method, length, chunked=chunked)
            check_query(query)
            if isinstance(exchange, Preflight):
                exchange.answer()
                return
            Admission(self, exchange, lasting.session if exchange.has_sessions else None).begin(lasting.presented)
        except Refusal as refusal:
            exchange.fail(refusal)

    # --- what an exchange asks of its connection --------------------------------------------------------------------

    def is_about(self, exchange: Exchange) -> bool:
        """Whether that is what is under way on this connection, still."""
        return self._exchange is exchange

    def go_on(self) -> None:
        """A client that waits for it is told to send its body."""
        if self.expect_100_continue:
            self.expect_100_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    @property
    def peer(self) -> str:
        """The address of whoever is connected: the caller's, or a proxy's."""
        return self.client[0] if self.client else ""

    def address(self) -> str:
        """The caller's, as far as the proxies before us can be believed."""
        if self._address is None:
            forwarded = [value.decode("latin-1") for name, value in self.headers if name == b"x-forwarded-for"]
            self._address = self.gateway.address_of(self.peer, forwarded)
        return self._address

    def network(self) -> str:
        """Whom an address belongs to: an IPv6 caller has a /64 to itself."""
        return network_of(self.address())

    def write(self, data: bytes) -> None:
        self.last_write = self.loop.time()
        if not self.transport.is_closing():
            self.transport.write(data)

    def date_line(self) -> bytes:
        """What every answer of this server says: the date, and Strict-Transport-Security where it belongs."""
        return b"".join([b"%b: %b\r\n" % line for line in self.server_state.default_headers])

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @property
    def is_unread(self) -> bool:
        """Whether so much waits for the client to read it that no more should be made."""
        return self.flow.write_paused

    def hold(self, reason: int) -> None:
        self._holds |= reason
        self.transport.pause_reading()

    def release(self, reason: int) -> None:
        if not self._holds & reason:
            return
        self._holds &= ~reason
        if not self._holds and not self.transport.is_closing():
            self._patience.begin(self._patience.turn, self.loop.time())
            self.transport.resume_reading()

    def pause_client(self) -> None:
        self.hold(Hold.BODY)

    def resume_client(self) -> None:
        self.release(Hold.BODY)

    def understand_anew(self) -> None:
        """Another configuration has come: what the next request says is read as if it were the first."""
        self._known = self._address = None
        self._weight.limit(self.gateway.limits)

    def lighten(self) -> None:
        """Let go of the request's head: an answer that stays for hours is on its way."""
        self.headers = []
        self.url = b""
        self._known = None

    def exchange_done(self, *, keep_alive: bool) -> None:
        """The answer is out, to its last byte."""
        self._exchange = None
        self.server_state.total_requests += 1
        self._answered()
        if not keep_alive or self._deaf or self.is_closing_soon:
            self.close_soon(linger=self._deaf or not self._body_over)
        else:
            self.resume_client()

    def exchange_gone(self, exchange: Exchange) -> None:
        if self._exchange is exchange:
            self._exchange = None

    def refuse(
        self,
        refusal: Refusal,
        route: "Route",
        *,
        rpc_id: str | int | None,
        request_id: str,
        body_done: bool,
        keep_alive: bool,
        is_head: bool = False,
        more: Sequence[Header] = (),
    ) -> None:
        """Answer; then either read past a short body to the next request, or let the client read and close.

        Who asked whether to send a body, and was not told to go on, may send it or another request: it cannot be told
        which (RFC 9110 §10.1.1).
        """
        length = next((int(value) for name, value in self.headers if name == b"content-length"), None)
        chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        rest_is_short = body_done or (not chunked and (length or 0) <= self.gateway.limits.max_swallowed)
        breaks_off = self._deaf or not rest_is_short or (self.expect_100_continue and not body_done)
        closes = breaks_off or self.is_closing_soon or not keep_alive
        answer = self.gateway.render(refusal, route, rpc_id=rpc_id, request_id=request_id, close=closes, more=more)
        self.write(head_of(answer) if is_head else answer)
        self._answered()
        if breaks_off:
            self.close_soon(linger=True)
            return
        self.is_closing_soon = closes
        self._swallowing = not body_done and (length or 0) > 0
        if closes and not self._swallowing:
            self.close_soon()
        else:
            self.resume_client()

    def close_soon(self, *, linger: bool = False) -> None:
        """Close after what has been written is out. What the client still sends is not read as anything.

        `linger`: the client may still be sending; a reset would take the answer from it.
        """
        self._deaf = True
        if not linger:
            self.transport.close()
            return
        self.resume_client()
        self.loop.call_later(LINGER, self.transport.close)

    def abort(self) -> None:
        self._deaf = True
        self.transport.abort()

    def tick(self, now: float) -> None:
        """Called about once a second, with the loop's time."""
        if self._holds and has_left(self.transport):
            self.abort()
            return
        waits = self.is_unread or self.transport.is_closing()
        if self._patience.is_unread(self.transport.get_write_buffer_size() if waits else 0, now):
            self.abort()
        elif not self._deaf and not self._holds and self._patience.is_over(now):
            if self._patience.turn is Turn.REQUEST:
                self.close_soon()
            else:
                late = BadRequest("The rest of the request did not come in time.", action="Send it without pauses.")
                self._refuse_connection(late, status=408)

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _in_flight(self) -> bool:
        return (
            self._exchange is not None
            or self._swallowing
            or (self.cycle is not None and not self.cycle.response_complete)
        )

    def _turn(self) -> Turn:
        if not self._body_over:
            return Turn.BODY if self._head_done else Turn.HEAD
        return Turn.OURS if self._in_flight() else Turn.REQUEST

    def _answered(self) -> None:
        """It is the client's turn: with the rest of its body, if there is one, or with another request."""
        if self._body_over:
            self._patience.begin(Turn.REQUEST, self.loop.time())

    def stop_reading(self) -> None:
        """What comes now is another request, and it is not read. Only for what a parser calls."""
        self._deaf = True
        self.is_closing_soon = True
        if self._exchange is not None:
            self._exchange.keep_alive = False
        elif self._in_flight():
            self.cycle.keep_alive = False
        else:
            self.transport.close()
        raise _StopReading

    def _refuse_connection(self, refusal: Refusal, *, status: int = 400) -> None:
        """Answer what cannot be read as a request, and close. An answer that is on its way just breaks off."""
        self._deaf = True
        if self._exchange is not None:
            self._exchange.fail(refusal)
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # for the application it is as if the client had left
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.abort()
                return
        elif self._head_done and not self._body_over:
            self.transport.close()  # the request has its answer; only its body was still to come
            return
        self.gateway.counters.malformed += 1
        self.transport.write(self.gateway.render_bare(refusal, status))
        self.transport.close()
