"""What is served at which path: all that a request there needs, found with one look into a dict."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from vestibule.gateway.exchange import Exchange
from vestibule.gateway.judge import Judge
from vestibule.gateway.limits import GatewayLimits
from vestibule.gateway.proxied import ProxiedExchange
from vestibule.gateway.sessions import SessionBinding
from vestibule.gateway.sse_clients import SseMessage, SseStream
from vestibule.gateway.upstreams import Pool
from vestibule.model import Operation, Reading, Resource
from vestibule.ports import CallLimits, CredentialSource


@dataclass(frozen=True, slots=True)
class Route:
    """To one resource."""

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
    takes_preflights: bool = True  # of pages (CORS)
    placing: Callable[[Operation], tuple[Resource, Operation]] | None = None  # where it is several upstreams'

    @property
    def url(self) -> str:
        """What a proof of a key must name here: the resource, or where an HTTP+SSE client's messages go."""
        resource = self.resource
        if self.exchange is not SseMessage:
            return resource.identifier
        return resource.identifier.removesuffix(resource.path) + resource.message_path

    def place(self, operation: Operation) -> tuple[Resource, Operation]:
        """Whose business that is, and what it is called there; raises a `Refusal` for what is called nothing."""
        return self.placing(operation) if self.placing is not None else (self.resource, operation)


def paths_of(route: Route) -> list[tuple[bytes, Route]]:
    """Where it is reached. HTTP+SSE has two paths: for the stream, and for messages."""
    resource = route.resource
    path = resource.path.encode("ascii")
    if not resource.message_path:
        return [(path, route)]
    return [
        (path, replace(route, exchange=SseStream, methods=(b"GET",))),
        (resource.message_path.encode("ascii"), replace(route, exchange=SseMessage, methods=(b"POST",))),
    ]
