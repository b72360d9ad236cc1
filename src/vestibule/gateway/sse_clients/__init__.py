"""Clients that speak HTTP+SSE, as MCP had it in 2024-11-05, before upstreams of every kind.

    GET  …/sse        `stream`: a stream whose first event, `endpoint`, says where messages go
    POST …/message    `message`: one message; admitted, judged, counted and told like any MCP request, then taken (202)

Between them is a `session`: it asks the upstream in streamable HTTP of the legacy eras, and puts what comes back on the
stream. It lives as long as the stream does, in the process that holds it: nothing of it is stored.
"""

from vestibule.gateway.sse_clients.message import SseMessage
from vestibule.gateway.sse_clients.registry import SseSessions
from vestibule.gateway.sse_clients.stream import SseStream

__all__ = ["SseMessage", "SseSessions", "SseStream"]
