"""/auth: the same decision as about a relayed call, for a proxy that relays it itself.

    who asks ─► about which resource ─► which request ─► admission, as for every call ─► 200 and who it is, or a refusal

A proxy sends a sub-request with the head of the one it has, and passes that on when the answer is 200. Three things
must not be the caller's to say:

* **who asks.** Only the proxies that `trusted_proxies` names; anybody else is told nothing.
* **which resource.** `/auth/<its path>` has one route for each, compared to the letter. At plain `/auth` the URL is the
  proxy's word for it (`X-Forwarded-Uri`, `-Host`, `-Proto`), and has to be a resource's, to the letter as well.
* **which method.** The sub-request's own, unless that is GET: then the proxy says it. Nothing but a proof of a key
  hangs on it here: the policy is asked as for a call, whatever the method.

The body stays with the proxy. Where a decision hangs on what is asked for, that is a refusal, unless the proxy sends
the body along (Envoy can), or the server behind it is known to refuse a body that is not what the head says.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from vestibule.errors import BadRequest, MethodNotAllowed, PolicyDenied, ProxyDenied, Refusal
from vestibule.gateway.checks import check_host, check_query
from vestibule.gateway.exchange import Exchange, State
from vestibule.gateway.headers import Header
from vestibule.gateway.judge import MAX_READ
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.sessions import SessionBinding
from vestibule.gateway.upstreams.lines import Line
from vestibule.gateway.vouching import Vouching
from vestibule.model import Operation, Principal, Reading, Resource, Upstream
from vestibule.ports import Authenticator
from vestibule.protocol.messages import error_body
from vestibule.protocol.routing_headers import read_routing_headers
from vestibule.protocol.vouching import REQUEST_ID

if TYPE_CHECKING:
    from vestibule.gateway.routes import Route

PATH = b"/auth"
REFUSAL = b"x-vestibule-refusal"  # nginx throws the body of a refusal away, and can pass on a header
_TOLD = (b"x-forwarded-uri", b"x-forwarded-host", b"x-forwarded-proto")
_PARTIAL = b"x-envoy-auth-partial-body"
_METHODS = (b"x-forwarded-method", b"x-original-method")


class ForwardAuth:
    """What is needed here beside what every route has. `scheme`: of the URL that clients know us by."""

    def __init__(self, *, vouching: Vouching, is_proxy: Callable[[str], bool], scheme: str) -> None:
        self.vouching = vouching
        self.is_proxy = is_proxy
        self.scheme = scheme.encode("ascii")


class AuthExchange(Exchange):
    """About one resource: `/auth/<its path>`."""

    __slots__ = ("_forward_auth", "_has_body")

    _forward_auth: ForwardAuth
    _has_body: bool

    @property
    def may_be_call(self) -> bool:
        """Always: which method it is must not be able to keep a call out of the trail."""
        return True

    def check_addressed(self, host: bytes, changing: Mapping[bytes, bytes], hosts: frozenset[bytes]) -> None:
        self._forward_auth = check_asker(self)
        request = self.request
        told = told_headers(request.headers, (*_TOLD, *_METHODS, _PARTIAL))
        self._find_resource(told)
        request.method = asked_method(request.method, told)
        self._has_body = changing.get(b"content-length", b"0").strip(b"0") != b"" or b"transfer-encoding" in changing
        if told.get(_PARTIAL, b"false").lower() != b"false":
            self._has_body = False  # its end is not here: another reader may read something else
        check_query(told.get(b"x-forwarded-uri", b"").partition(b"?")[2])
        check_host(told.get(b"x-forwarded-host", host), hosts)

    def _find_resource(self, told: Mapping[bytes, bytes]) -> None:
        """The path has said it."""

    def admitted(self) -> None:
        route = self.route
        if route.reading is not Reading.NOTHING and not self._has_body:
            route.judge.check_named(self, self._operation_by_head())
        super().admitted()

    def _operation_by_head(self) -> Operation:
        route = self.route
        if route.reading is Reading.ARGUMENTS or not route.resource.upstream.trust_routing_headers:
            raise PolicyDenied(
                "Whether this is allowed hangs on what the request asks for, and that is not shown here.",
                action="Tell the operator: the proxy has to send the body along, or the rules must do without it.",
                detail="forward-auth without a body: see trust_routing_headers, or Envoy's with_request_body",
            )
        return read_routing_headers(self.request.headers)

    def waits_for(self) -> bool:
        return not self.request.is_whole

    def leave(self) -> None:
        """All the same for every caller but who it is; never to be kept by anybody."""
        lane, gateway = self.lane, self.lane.gateway
        gateway.counters.vouched += 1
        self.keep_alive = self.keep_alive and not lane.is_closing_soon
        self.state = State.ANSWERING
        request_id = self.request_id.encode()
        parts = [
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncache-control: no-store\r\n",
            lane.date_line(),
            self._forward_auth.vouching.lines_for(self.principal, self.route.resource, gateway.clock()),
            b"%b: %b\r\nx-request-id: %b\r\n" % (REQUEST_ID, request_id, request_id),
            *(b"%b: %b\r\n" % line for line in self.more_headers()),
            b"" if self.keep_alive else b"connection: close\r\n",
            b"\r\n",
        ]
        lane.write(b"".join(parts))
        self.end(answered=True)

    def more_headers(self, refusal: Refusal | None = None) -> list[Header]:
        lines = super().more_headers(refusal)
        if refusal is not None:
            body = error_body(refusal, rpc_id=None, request_id=self.request_id)
            lines.append((REFUSAL, _in_one_line(body)))
        return lines


class QuestionExchange(AuthExchange):
    """About the URL that the proxy tells: plain `/auth`."""

    __slots__ = ()

    def _find_resource(self, told: Mapping[bytes, bytes]) -> None:
        gateway = self.lane.gateway
        if missing := [name.decode() for name in _TOLD if name not in told]:
            raise ProxyDenied(
                "The proxy does not say what it asks about.",
                action="Ask /auth/<the resource's path>, or send X-Forwarded-Uri, -Host and -Proto.",
                detail=f"without {', '.join(missing)}",
            )
        path = told[b"x-forwarded-uri"].partition(b"?")[0]
        route = gateway.routes.get(PATH + path)
        is_resource = path.startswith(b"/") and route is not None and route.exchange is AuthExchange
        if route is None or not is_resource or told[b"x-forwarded-proto"] != self._forward_auth.scheme:
            raise ProxyDenied(
                "There is no MCP server of ours at this address.",
                action="Compare the URL with the operator's.",
                detail=f"asked about {told[b'x-forwarded-proto'][:20]!r} {path[:200]!r}",
            )
        self.route = route


def check_asker(exchange: Exchange) -> ForwardAuth:
    """Raises `ProxyDenied`."""
    forward_auth, peer = exchange.lane.gateway.forward_auth, exchange.lane.peer
    if forward_auth is None or not forward_auth.is_proxy(peer):
        raise ProxyDenied(
            "Only the reverse proxies of this server may ask here.",
            action="Operator: name the proxy's address in trusted_proxies.",
            detail=f"asked by {peer}",
        )
    return forward_auth


def told_headers(headers: Sequence[Header], names: Sequence[bytes]) -> dict[bytes, bytes]:
    """What the proxy says of the request it has, each thing once. Raises `BadRequest`."""
    told: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in names:
            if name in told:
                raise BadRequest(f"The header {name.decode('ascii')} stands more than once.", action="Send it once.")
            told[name] = value
    return told


def asked_method(own: bytes, told: Mapping[bytes, bytes]) -> bytes:
    """The method of the request that is asked about. Raises `BadRequest` where two things are said of it."""
    said = {told[name] for name in _METHODS if name in told}
    if own != b"GET":
        said.add(own)
    if len(said) > 1:
        raise BadRequest(
            "Two methods are told of one request.", action="Operator: let the proxy set one header, and remove others."
        )
    method = said.pop() if said else own
    if method not in (b"POST", b"GET", b"DELETE"):
        raise MethodNotAllowed("What MCP uses is POST, GET, DELETE.", action="Use one of them.")
    return method


def auth_route(route: "Route", authenticator: Authenticator) -> "Route":
    """The route of /auth for a resource that a proxy serves, from the one that would relay it."""
    return replace(
        route,
        pool=NOWHERE,
        takes_preflights=False,  # a proxy would take the answer for its leave
        reading=route.judge.permission.reading(route.resource),  # what only the trail wants to know, it does without
        sessions=_PassedSessions(authenticator),
        limits=replace(route.limits, max_body=min(route.limits.max_body, MAX_READ)),
        exchange=AuthExchange,
    )


def question_route(any_route: "Route") -> "Route":
    """Plain /auth. What it is asked about is found out with the first header; until then it is about itself."""
    return replace(
        any_route,
        name="auth",
        resource=Resource("/auth", "/auth", Upstream("auth", served_by="proxy")),
        resource_metadata="",
        exchange=QuestionExchange,
    )


class _PassedSessions(SessionBinding):
    """The proxy passes the backend's own session ids: none of them has a tag of ours, and none is bound."""

    def unbind(self, presented: bytes, principal: Principal | None, resource: Resource) -> bytes:
        return presented


class _Nowhere:
    """The pool of an upstream that we never speak to. Implements `Pool`."""

    takes_whole_requests = True
    size = 0
    upstream = Upstream("")

    def take(self, request: ProxiedRequest) -> Line | None:
        return None

    async def connect(self, request: ProxiedRequest) -> Line:
        raise OSError("a proxy serves this upstream")

    def tick(self, now: float) -> None: ...

    def revoke(self, unwelcome: Callable[[Principal], bool]) -> None: ...

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...


NOWHERE = _Nowhere()


def _in_one_line(body: bytes) -> bytes:
    """JSON in ASCII."""
    return json.dumps(msgspec.json.decode(body)).encode("ascii")
