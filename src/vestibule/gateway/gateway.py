"""The data plane as one object: its routes, its connections, its clock."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vestibule.errors import Refusal
from vestibule.gateway.exchange import Exchange
from vestibule.gateway.forward_auth import NOWHERE, PATH, ForwardAuth, auth_route, question_route
from vestibule.gateway.headers import Header
from vestibule.gateway.heads import AnswerHeads
from vestibule.gateway.judge import Judge
from vestibule.gateway.lane import Lane
from vestibule.gateway.limits import DEFAULT_LIMITS, GatewayLimits
from vestibule.gateway.memory import CrowdWatch
from vestibule.gateway.refusal_log import RefusalLog
from vestibule.gateway.refusals import render, status_line
from vestibule.gateway.routes import Route, paths_of
from vestibule.gateway.sessions import SessionBinding
from vestibule.gateway.sse_clients import SseSessions
from vestibule.gateway.upstreams import Pool, open_pool
from vestibule.model import Principal, Resource, Upstream
from vestibule.ports import Authenticator, CallLimits, CredentialSource, Doorkeeper, Entropy

TICK_SECONDS = 1.0
_REQUEST_ID = 8  # bytes
_IDS_AT_ONCE = 256  # a question to the system for each would be a twentieth of a call's cost


@dataclass(slots=True)
class Counters:
    """What the metrics are made of."""

    requests: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    vouched: int = 0  # answers of /auth that let somebody in
    malformed: int = 0
    broken_answers: int = 0
    absences: dict[str, int] = field(default_factory=dict)  # of an aggregate's members, by name


def _say_nothing(event: str, **facts: Any) -> None:
    """Where there is no log. Pools outlive their gateway, and so know its log and not it."""


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
        limits: GatewayLimits = DEFAULT_LIMITS,
        call_limits: CallLimits | None = None,
        address_of: Callable[[str, Sequence[str]], str] = lambda peer, forwarded: peer,
        log: Callable[..., None] | None = None,
        hsts: bytes = b"",
        predecessor: "Gateway | None" = None,
        forward_auth: ForwardAuth | None = None,
    ) -> None:
        """`hsts`: what Strict-Transport-Security says, or nothing. `predecessor`: whose connections to upstreams that
        are the same are used on; `take_over` has to follow. `forward_auth`: what /auth needs, where a proxy serves one
        of the resources."""
        self.doorkeeper = doorkeeper
        self.clock = clock
        self.limits = limits
        self.address_of = address_of
        self.forward_auth = forward_auth
        self.counters = Counters()
        self.heads = AnswerHeads()
        self.lanes: set[Lane] = set()
        self.exchanges: set[Exchange] = set()
        self.streams: set[Exchange] = set()
        self.sse_sessions = SseSessions()
        self.hosts = frozenset(host.lower().encode("ascii") for host in hosts)
        self.origins = frozenset(origin.lower().encode("ascii") for origin in origins)
        self._realm = realm
        self.entropy = entropy
        self._request_ids: list[str] = []
        self._log = log
        self._refusal_log = RefusalLog(self.report)
        self._hsts: tuple[Header, ...] = ((b"strict-transport-security", hsts),) if hsts else ()
        self._ticker: asyncio.Task[None] | None = None
        self._crowd = CrowdWatch()
        self._lane_class: type[Lane] | None = None
        self._owned: set[str] = set()  # the pools that are ours to close, by name
        sessions = SessionBinding(authenticator)
        pools: dict[str, Pool] = {}
        for upstream in (resource.upstream for resource in resources if not resource.upstream.members):
            if upstream.name not in pools and upstream.served_by == "gateway":
                pool = predecessor.adoptable(upstream) if predecessor is not None else None
                if pool is None:
                    pool = open_pool(upstream, tls, log or _say_nothing)
                    self._owned.add(upstream.name)
                pools[upstream.name] = pool
        self.pools = pools

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
        self.routes: dict[bytes, Route] = {}
        for resource in resources:
            if resource.upstream.served_by == "proxy":
                path = PATH + resource.path.encode("ascii")
                self.routes[path] = auth_route(route_to(resource, NOWHERE), authenticator)
                self.routes.setdefault(PATH, question_route(self.routes[path]))
            elif not resource.upstream.members:
                self.routes.update(paths_of(route_to(resource, pools[resource.upstream.name])))
        doorkeeper.on_revoked(self._end_revoked)

    def add(self, resource: Resource, pool: Pool, **others: Any) -> None:
        """Serve one more resource by a pool that somebody else has made. `others`: of its `Route`."""
        self.pools[resource.upstream.name] = pool
        self._owned.add(resource.upstream.name)
        self.routes[resource.path.encode("ascii")] = self._route_to(resource, pool, **others)

    def protocol_class(self) -> type[Lane]:
        """For `uvicorn.Config(http=…)`."""
        if self._lane_class is None:
            self._lane_class = type("GatewayLane", (Lane,), {"gateway": self})
        return self._lane_class

    # --- succession -------------------------------------------------------------------------------------------------

    def adoptable(self, upstream: Upstream) -> Pool | None:
        """What a successor may go on using for this upstream: our pool, where nothing about the upstream differs."""
        pool = self.pools.get(upstream.name)
        return pool if pool is not None and pool.upstream == upstream else None

    def take_over(self, predecessor: "Gateway") -> None:
        """From this moment every request on the predecessor's connections is ours.

        What is under way there ends as it began, by the route it came in by; we watch its time, and end it when its
        token is revoked.
        """
        self.lanes, self.exchanges, self.streams = predecessor.lanes, predecessor.exchanges, predecessor.streams
        self.sse_sessions = predecessor.sse_sessions
        absences = self.counters.absences  # aggregates were made with it
        absences.update(predecessor.counters.absences)
        self.counters = predecessor.counters
        self.counters.absences = absences
        self._lane_class = predecessor.protocol_class()
        self._lane_class.gateway = self
        for lane in self.lanes:
            lane.understand_anew()
        predecessor.stop_watching()
        adopted = self.pools.keys() - self._owned
        self._owned |= adopted
        predecessor._owned -= adopted

    def under_way(self) -> list[Exchange]:
        """What came in by our own routes, and not by those of a predecessor or a successor."""
        ours = {id(route) for route in self.routes.values()}
        return [exchange for exchange in self.exchanges if id(exchange.route) in ours]

    def report(self, event: str, **facts: Any) -> None:
        """One line in the log."""
        if self._log is not None:
            self._log(event, **facts)

    def count_absence(self, member: str) -> None:
        """A member of an aggregate is missing from an answer."""
        self.counters.absences[member] = self.counters.absences.get(member, 0) + 1

    def start(self) -> None:
        """Begin watching the clock. Needs a running loop."""
        self._ticker = asyncio.create_task(self._tick())

    def stop_watching(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()

    async def close(self) -> None:
        self.stop_watching()
        for exchange in self.under_way():
            exchange.stop()
        await self.sse_sessions.close()
        for name in self._owned:
            self.pools[name].close()
        await asyncio.gather(*(self.pools[name].wait_closed() for name in self._owned))

    # --- answers ----------------------------------------------------------------------------------------------------

    def request_id(self) -> str:
        ids = self._request_ids
        if not ids:
            drawn = self.entropy(_REQUEST_ID * _IDS_AT_ONCE).hex()
            ids += [drawn[at : at + 2 * _REQUEST_ID] for at in range(0, len(drawn), 2 * _REQUEST_ID)]
        return ids.pop()

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
        self.note_refusal(refusal, route, request_id)
        return render(
            refusal,
            resource=route.resource,
            resource_metadata=route.resource_metadata,
            realm=self._realm,
            rpc_id=rpc_id,
            request_id=request_id,
            close=close,
            allow=b", ".join(route.methods) if refusal.status == 405 else b"",
            more=(*self._hsts, *more),
        )

    def note_refusal(self, refusal: Refusal, route: Route, request_id: str) -> None:
        """For the log and the metrics."""
        refusals = self.counters.refusals
        refusals[refusal.code] = refusals.get(refusal.code, 0) + 1
        self._refusal_log.tell(
            code=refusal.code,
            status=refusal.status,
            upstream=route.name,
            request_id=request_id,
            reason=refusal.message,
            detail=refusal.detail,
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
            more=self._hsts,
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
        for pool in self.pools.values():
            pool.revoke(unwelcome)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick(loop.time())

    def tick(self, now: float) -> None:
        """One look at everything that has a time to end."""
        self._refusal_log.tick()
        for pool in self.pools.values():
            pool.tick(now)
        for exchange in list(self.exchanges):
            exchange.tick(now)
        for lane in list(self.lanes):
            lane.tick(now)
        self._crowd.look(len(self.lanes))

    def snapshot(self) -> Mapping[str, Any]:
        """For readiness and metrics."""
        return {
            "requests": self.counters.requests,
            "refusals": dict(self.counters.refusals),
            "vouched": self.counters.vouched,
            "absences": dict(self.counters.absences),
            "streams": len(self.streams),
            "connections": len(self.lanes),
            "upstream_connections": {name: pool.size for name, pool in self.pools.items()},
        }
