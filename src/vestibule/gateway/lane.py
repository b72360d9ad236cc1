"""The server's connection class: the fast lane for MCP, and the ASGI application for everything else.

It is uvicorn's httptools protocol (its TLS, its workers, its signals, its graceful shutdown) with another reading of
requests. One reading only: llhttp without leniencies, and our own checks where it allows more than one (see
`_check_framing`). A request that arrives while another is being answered on the same connection is not read: the
connection closes after the answer, and the client, as HTTP has it, sends it again.
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vestibule.errors import BadRequest, Refusal
from vestibule.gateway.checks import (
    ALLOW,
    check_host,
    check_length,
    check_method,
    check_origin,
    check_query,
    check_single,
    check_version,
)
from vestibule.gateway.exchange import Exchange
from vestibule.model import Era, Principal

if TYPE_CHECKING:
    from vestibule.gateway.gateway import Gateway, Route

LINGER = 1.0  # seconds to let a client read an answer that came before it had finished speaking
MAX_URL = 8 * 1024


class _StopReading(Exception):
    pass


class Lane(HttpToolsProtocol):
    """One client connection."""

    gateway: "Gateway"  # set by Gateway.protocol_class

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = httptools.HttpRequestParser(self)  # without uvicorn's leniency for data after a close
        self._exchange: Exchange | None = None
        self._is_ours = False
        self._deaf = False
        self._swallowing = False
        self._head_done = False
        self._body_over = True
        self._head_size = 0
        self._head_since = 0.0
        self._idle_since = self.loop.time()
        self._read_paused = False
        self.is_closing_soon = False
        self.last_write = 0.0

    # --- asyncio ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self.gateway.lanes.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gateway.lanes.discard(self)
        exchange, self._exchange = self._exchange, None
        super().connection_lost(exc)
        if exchange is not None:
            exchange.client_lost()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if not self._head_since and not self._in_flight():
            self._head_since = self.loop.time()
        behind_upgrade = b""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _StopReading):
                raise
        except httptools.HttpParserUpgrade as upgrade:
            # Java's client offers h2c with every first request. Declining is to go on as if nothing had been offered
            # (RFC 9110 §7.8); llhttp has stopped there, so what follows the request is for a new parser.
            self.parser = httptools.HttpRequestParser(self)
            behind_upgrade = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            self._refuse_connection(BadRequest("The request is not well-formed HTTP/1.1."))
        if behind_upgrade:
            self.data_received(behind_upgrade)

    def eof_received(self) -> None:
        return None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._exchange is not None:
            self._exchange.client_paused()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._exchange is not None:
            self._exchange.client_resumed()

    def shutdown(self) -> None:
        self.is_closing_soon = True
        if self._exchange is None:
            super().shutdown()
        elif self._exchange.is_stream:
            self._exchange.end_stream()

    # --- the parser's callbacks -------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._in_flight():
            self._stop_reading()
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._is_ours = False
        self._head_done = False
        self._body_over = False
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > MAX_URL:
            self._refuse_connection(BadRequest(f"The URL is longer than {MAX_URL} bytes."), status=414)
            raise _StopReading

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            return  # a trailer: nobody asked for any, and it must not become a header
        self._head_size += len(name) + len(value) + 4
        limits = self.gateway.limits
        if self._head_size > limits.max_head or len(self.headers) >= limits.max_headers:
            self._refuse_connection(BadRequest("The head of the request is too large."), status=431)
            raise _StopReading
        name = name.lower()
        if name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        # llhttp leaves white space behind a value; RFC 9112 §5 says that it is not part of it
        self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self._head_done = True
        self._head_since = 0.0
        self._check_framing()
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
        self._begin(route, query)

    def on_body(self, body: bytes) -> None:
        if not self._is_ours:
            super().on_body(body)
        elif self._exchange is not None and not self._swallowing:
            self._exchange.body(body)

    def on_message_complete(self) -> None:
        self._body_over = True
        if not self._is_ours:
            super().on_message_complete()
        elif self._swallowing:
            self._swallowing = False
            self._idle_since = self.loop.time()
            if self.is_closing_soon:
                self.close_soon()
        elif self._exchange is not None:
            self._exchange.body_complete()

    def _check_framing(self) -> None:
        """What llhttp leaves open, for every request on this port, ours or the application's."""
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if codings and (codings != [b"chunked"] or self.parser.get_http_version() != "1.1"):
            self._refuse_connection(BadRequest("The only transfer coding here is chunked."), status=501)
            raise _StopReading
        if not self.url.startswith(b"/") or b"#" in self.url:
            self._refuse_connection(BadRequest("The request target is not a path of this server."))
            raise _StopReading
        if sum(1 for name, _ in self.headers if name == b"host") != 1:
            self._refuse_connection(BadRequest("A request has exactly one Host header."))
            raise _StopReading
        if self.parser.should_upgrade():
            self.headers = [(name, value) for name, value in self.headers if name not in (b"upgrade", b"connection")]

    # --- one request ------------------------------------------------------------------------------------------------

    def _begin(self, route: "Route", query: bytes) -> None:
        """The checks that come before a single byte of the body, in order."""
        gateway = self.gateway
        gateway.counters.requests += 1
        method = self.parser.get_method()
        single = dict(self.headers)
        length = int(single[b"content-length"]) if b"content-length" in single else None
        self._exchange = exchange = Exchange(
            self,
            route,
            method=method,
            query=query,
            headers=self.headers,
            length=length,
            chunked=b"transfer-encoding" in single,
            era=Era.of(
                single[b"mcp-protocol-version"].decode("latin-1") if b"mcp-protocol-version" in single else None
            ),
            keep_alive=self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1",
            request_id=gateway.request_id(),
            now=self.loop.time(),
        )
        gateway.exchanges.add(exchange)
        try:
            check_single(self.headers)
            check_method(method)
            check_version(self.parser.get_http_version())
            check_host(single[b"host"], gateway.hosts)
            check_origin(single.get(b"origin"), gateway.origins)
            check_length(length, gateway.limits.max_body)
            check_query(query)
            authorization = single.get(b"authorization")
            principal = None
            if route.resource.upstream.access != "anonymous":
                principal = gateway.doorkeeper.recognize(authorization, route.resource, gateway.clock())
                if principal is None:
                    self.spawn(self._admit(exchange, authorization, single.get(b"mcp-session-id")))
                    return
            self._admitted(exchange, principal, single.get(b"mcp-session-id"))
        except Refusal as refusal:
            exchange.fail(refusal)

    async def _admit(self, exchange: Exchange, authorization: bytes | None, session: bytes | None) -> None:
        try:
            principal = await self.gateway.doorkeeper.admit(
                authorization, exchange.route.resource, self.gateway.clock()
            )
            if self._exchange is exchange:
                self._admitted(exchange, principal, session)
                self.resume_client()
        except Refusal as refusal:
            exchange.fail(refusal)

    def _admitted(self, exchange: Exchange, principal: Principal | None, session: bytes | None) -> None:
        route = exchange.route
        if principal is not None and principal.key_thumbprint:
            exchange.next_nonce = self._check_proof(route, principal)
        route.permission.check(principal, route.resource)
        if session is not None:
            exchange.bind_session(route.sessions.unbind(session, principal, route.resource))
        if self.expect_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        exchange.admitted(principal)

    def _check_proof(self, route: "Route", principal: Principal) -> str:
        """RFC 9449 §7: this very request proves the key that its token is for. Returns the nonce to use next."""
        proofs = [value.decode("latin-1") for name, value in self.headers if name == b"dpop"]
        authorization = dict(self.headers)[b"authorization"]
        method, url = self.parser.get_method().decode("ascii"), route.resource.identifier
        return self.gateway.doorkeeper.check_proof(principal, authorization, proofs, method=method, url=url)

    # --- what an exchange asks of its connection --------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.last_write = self.loop.time()
        if not self.transport.is_closing():
            self.transport.write(data)

    def date_line(self) -> bytes:
        for name, value in self.server_state.default_headers:
            if name == b"date":
                return b"date: %b\r\n" % value
        return b""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @property
    def client_is_paused(self) -> bool:
        return self._read_paused

    def pause_client(self) -> None:
        if not self._read_paused and not self.transport.is_closing():
            self._read_paused = True
            self.transport.pause_reading()

    def resume_client(self) -> None:
        if self._read_paused and not self.transport.is_closing():
            self._read_paused = False
            self.transport.resume_reading()

    def exchange_done(self, *, keep_alive: bool) -> None:
        """The answer is out, to its last byte."""
        self._exchange = None
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()
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
    ) -> None:
        """Answer; then either read past a short body to the next request, or let the client read and close."""
        length = next((int(value) for name, value in self.headers if name == b"content-length"), None)
        chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        rest_is_short = body_done or (not chunked and (length or 0) <= self.gateway.limits.max_swallowed)
        breaks_off = self._deaf or not rest_is_short
        closes = breaks_off or self.is_closing_soon or not keep_alive
        self.write(self.gateway.render(refusal, route, rpc_id=rpc_id, request_id=request_id, close=closes, allow=ALLOW))
        self._idle_since = self.loop.time()
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

    def tick(self, now: float, *, head_seconds: float, idle_seconds: float) -> None:
        """Close connections that send their head a byte at a time, or nothing at all."""
        if self._deaf:
            return
        if self._head_since and not self._head_done and now - self._head_since > head_seconds:
            self._refuse_connection(BadRequest("The request did not come in time."), status=408)
        elif not self._in_flight() and not self._head_since and now - self._idle_since > idle_seconds:
            self.transport.close()

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _in_flight(self) -> bool:
        return (
            self._exchange is not None
            or self._swallowing
            or (self.cycle is not None and not self.cycle.response_complete)
        )

    def _stop_reading(self) -> None:
        self._deaf = True
        self.is_closing_soon = True
        if self._exchange is not None:
            self._exchange.keep_alive = False
        elif self.cycle is not None:
            self.cycle.keep_alive = False
        raise _StopReading

    def _refuse_connection(self, refusal: Refusal, *, status: int = 400) -> None:
        """Answer what cannot be read as a request, and close. An answer that is on its way just breaks off."""
        self._deaf = True
        if self._exchange is not None:
            self._exchange.fail(refusal)
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.abort()
            return
        self.gateway.counters.malformed += 1
        self.transport.write(self.gateway.render_bare(refusal, status))
        self.transport.close()
