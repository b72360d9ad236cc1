"""The other side of the gateway: one pool for each MCP server, by how it is spoken to.

`lines` is what an exchange may ask of any of them; `http` is streamable HTTP, the fast way; `bridge` makes the same of
what is spoken to by a `channel`: a child process (`stdio`), a server of 2024-11-05 (`sse`).
"""

import ssl
from collections.abc import Callable
from functools import partial

from vestibule.gateway.upstreams.http import HttpPool
from vestibule.gateway.upstreams.lines import Answered, Line, Pool
from vestibule.model import Command, Upstream

__all__ = ["Answered", "Line", "Pool", "open_pool"]

Report = Callable[..., None]


def open_pool(upstream: Upstream, tls: Callable[[], ssl.SSLContext], report: Report) -> Pool:
    """`tls`: the process's one context for https, made when it is first needed. `report`: one line in the log."""
    if upstream.command is not None:
        return _open_stdio(upstream, upstream.command, report)
    if upstream.transport == "sse":
        return _open_sse(upstream, tls, report)
    return HttpPool(upstream, tls)


def _open_sse(upstream: Upstream, tls: Callable[[], ssl.SSLContext], report: Report) -> Pool:
    from vestibule.gateway.upstreams.bridge import BridgePool, BridgeSettings
    from vestibule.gateway.upstreams.sse import MAX_STREAMS, SseChannel

    settings = BridgeSettings(upstream, max_instances=MAX_STREAMS, is_legacy_only=True)
    return BridgePool(settings, lambda caller: SseChannel(upstream, tls, caller), report=report)


def _open_stdio(upstream: Upstream, command: Command, report: Report) -> Pool:
    import time

    from vestibule.gateway.upstreams.bridge import BridgePool, BridgeSettings
    from vestibule.gateway.upstreams.masking import masked
    from vestibule.gateway.upstreams.stdio import StdioChannel

    settings = BridgeSettings(upstream, command.instances, command.idle, command.max_instances)
    report = masked(report, command)
    told = partial(report, upstream=upstream.name)
    return BridgePool(settings, lambda caller: StdioChannel(command, report=told, clock=time.monotonic), report=report)
