"""The other side of the gateway: one pool for each MCP server, by how it is spoken to.

`lines` is what an exchange may ask of any of them; `http` is streamable HTTP, the fast way; `bridge` makes the same of
what is spoken to by a `channel`, such as a child process (`stdio`).
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
    return HttpPool(upstream, tls)


def _open_stdio(upstream: Upstream, command: Command, report: Report) -> Pool:
    import time

    from vestibule.gateway.upstreams.bridge import BridgePool, BridgeSettings
    from vestibule.gateway.upstreams.stdio import StdioChannel

    settings = BridgeSettings(upstream, command.instances, command.idle, command.max_instances)
    told = partial(report, upstream=upstream.name)
    return BridgePool(settings, lambda caller: StdioChannel(command, report=told, clock=time.monotonic), report=report)
