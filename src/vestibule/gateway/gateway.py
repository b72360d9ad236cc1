"""The data plane as one object: its routes, its connections, its clock."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vestibule.errors import Refusal
from vestibule.gateway.exchange import Exchange
from vestibule.gateway.headers import Header
from vestibule.gateway.judge import Judge
from vestibule.gateway.lane import Lane
from vestibule.gateway.proxied import ProxiedExchange
from vestibule.gateway.refusals import render, status_line
from vestibule.gateway.sessions import SessionBinding
from vestibule.gateway.upstreams import Pool, open_pool
from vestibule.model import Operation, Principal, Reading, Resource
from vestibule.ports import Authenticator, CallLimits, CredentialSource, Doorkeeper, Entropy

TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """What one client may take. Bytes and seconds."""

    max_head: int = 32 * 1024
    max_headers: int = 100
    max_body: int = 10 * 1024 * 1024
    max_swallowed: int = 64 * 1024  # of a refused request's body, to keep its connection
    head_seconds: float = 10.0
    body_seconds: float = 30.0  # of silence in a body
    body_bytes_per_second: int = 500  # slower than that, the silence adds up
    idle_seconds: float = 75.0  # between requests
    unread_seconds: float = 60.0  # an answer waits, and nothing of it is taken
    keep_alive_seconds: float = 25.0  # of silence on a stream, before a comment


@dataclass(slots=True)
class Counters:
    """What the metrics are made of."""

    requests: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    malformed: int = 0
    broken_answers: int = 0
    absences: dict[str, int] = field(default_factory=dict)  # of an aggregate's members, by name


@dataclass(frozen=True, slots=True)
class Route:
    """All that a request at one path needs, found with one look into a dict."""

    name: str
    resource: Resource
    pool: Pool
    judge: Judge
    reading: Reading  # what a decision about a request hangs on
    call_limits: CallLimits | None
    credentials: CredentialSource
    sessions: SessionBinding
    limits: GatewayLimits
    resource_metadata: str
    first_byte_seconds: float
    idle_seconds: float
    exchange: type[Exchange] = ProxiedExchange  # what becomes of a request here
    methods: tuple[bytes, ...] = (b"POST", b"GET", b"DELETE")
    placing: Callable[[Operation], tuple[Resource, Operation]] | None = None

    def place(self, operation: Operation) -> tuple[Resource, Operation]:
        """Whose business that is, and what it is called there; raises a `Refusal` for what is called nothing."""
        return self.placing(operation) if self.placing is not None else (self.resource, operation)


class Gateway:
    """See `vestibule.gateway`."""

    def __init__(
        self,
        *,
        resources: Sequence[Resource],
        doorkeeper: Doorkeeper,
        judge: Judge,
        credentials: CredentialSource,
        authenticator: Authenticator,
        hosts: frozenset[str],
        origins: frozenset[str],
        resource_metadata_url: Callable[[Resource], str],
        realm: str,
        clock: Callable[[], float],
        entropy: Entropy,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        limits: GatewayLimits = GatewayLimits(),
        call_limits: CallLimits | None = None,
        address_of: Callable[[str, Sequence[str]], str] = lambda peer, forwarded: peer,
        log: Callable[..., None] | None = None,
    ) -> None:
        self.doorkeeper = doorkeeper
        self.clock = clock
        self.limits = limits
        self.address_of = address_of
        self.counters = Counters()
        self.lanes: set[Lane] = set()
        self.exchanges: set[Exchange] = set()
        self.streams: set[Exchange] = set()
        self.hosts = frozenset(host.lower().encode("ascii") for host in hosts)
        self.origins = frozenset(origin.lower().encode("ascii") for origin in origins)
        self._realm = realm
        self._entropy = entropy
        self._log = log
        self._ticker: asyncio.Task[None] | None = None
        sessions = SessionBinding(authenticator)
        pools: dict[str, Pool] = {}
        for upstream in (resource.upstream for resource in resources if not resource.upstream.members):
            if upstream.name not in pools:
                pools[upstream.name] = open_pool(upstream, tls)

        def route_to(resource: Resource, pool: Pool, **others: Any) -> Route:
            return Route(
                name=resource.upstream.name,
                resource=resource,
                pool=pool,
                judge=judge,
                reading=judge.reading(resource),
                call_limits=call_limits,
                credentials=credentials,
                sessions=sessions,
                limits=limits,
                resource_metadata=resource_metadata_url(resource),
                first_byte_seconds=resource.upstream.timeouts.first_byte.total_seconds(),
                idle_seconds=resource.upstream.timeouts.idle_stream.total_seconds(),
                **others,
            )

        self._route_to = route_to
        self.pools: dict[str, Pool] = pools
        self.routes: dict[bytes, Route] = {
            resource.path.encode("ascii"): route_to(resource, pools[resource.upstream.name])
            for resource in resources
            if not resource.upstream.members
        }
        doorkeeper.on_revoked(self._end_revoked)

    def add(self, resource: Resource, pool: Pool, **others: Any) -> None:
        """Serve one more resource by a pool that somebody else has made. `others`: of its `Route`."""
        self.pools[resource.upstream.name] = pool
        self.routes[resource.path.encode("ascii")] = self._route_to(resource, pool, **others)

    def protocol_class(self) -> type[Lane]:
        """For `uvicorn.Config(http=…)`."""
        return type("GatewayLane", (Lane,), {"gateway": self})

    def report(self, event: str, **facts: Any) -> None:
        """One line in the log."""
        if self._log is not None:
            self._log(event, **facts)

    def start(self) -> None:
        """Begin watching the clock. Needs a running loop."""
        self._ticker = asyncio.create_task(self._tick())

    async def close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        for exchange in list(self.exchanges):
            exchange.stop()
        for pool in self.pools.values():
            pool.close()

    # --- answers ----------------------------------------------------------------------------------------------------

    def request_id(self) -> str:
        return self._entropy(8).hex()

    def render(
        self,
        refusal: Refusal,
        route: Route,
        *,
        rpc_id: str | int | None,
        request_id: str,
        close: bool,
        more: Sequence[Header] = (),
    ) -> bytes:
        refusals = self.counters.refusals
        refusals[refusal.code] = refusals.get(refusal.code, 0) + 1
        if self._log is not None:
            self._log(
                "mcp_refused",
                code=refusal.code,
                status=refusal.status,
                upstream=route.name,
                request_id=request_id,
                reason=refusal.message,
                detail=refusal.detail,
            )
        return render(
            refusal,
            resource=route.resource,
            resource_metadata=route.resource_metadata,
            realm=self._realm,
            rpc_id=rpc_id,
            request_id=request_id,
            close=close,
            allow=b", ".join(route.methods) if refusal.status == 405 else b"",
            more=more,
        )

    def render_bare(self, refusal: Refusal, status: int) -> bytes:
        """For what could not be read as a request to anything."""
        request_id = self.request_id()
        answer = render(
            refusal,
            resource=None,
            resource_metadata="",
            realm=self._realm,
            rpc_id=None,
            request_id=request_id,
            close=True,
        )
        return status_line(status) + answer.partition(b"\r\n")[2]

    # --- the clock --------------------------------------------------------------------------------------------------

    def forget(self, exchange: Exchange) -> None:
        self.exchanges.discard(exchange)
        self.streams.discard(exchange)

    def _end_revoked(self, unwelcome: Callable[[Principal], bool]) -> None:
        """All exchanges are told, not only streams: what is no stream yet may be one when its answer comes."""
        now = asyncio.get_running_loop().time()
        for exchange in list(self.exchanges):
            if exchange.principal is not None and unwelcome(exchange.principal):
                exchange.revoke(now)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick(loop.time())

    def tick(self, now: float) -> None:
        """One look at everything that has a time to end."""
        for pool in self.pools.values():
            pool.tick(now)
        for exchange in list(self.exchanges):
            exchange.tick(now)
        for lane in list(self.lanes):
            lane.tick(now)

    def snapshot(self) -> Mapping[str, Any]:
        """For readiness and metrics."""
        return {
            "requests": self.counters.requests,
            "refusals": dict(self.counters.refusals),
            "absences": dict(self.counters.absences),
            "streams": len(self.streams),
            "connections": len(self.lanes),
            "upstream_connections": {name: pool.size for name, pool in self.pools.items()},
        }
