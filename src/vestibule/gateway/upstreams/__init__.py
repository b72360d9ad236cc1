"""The other side of the gateway: one pool for each MCP server, by how it is spoken to.

`lines` is what an exchange may ask of any of them; `http` is streamable HTTP, the fast way.
"""

import ssl
from collections.abc import Callable

from vestibule.gateway.upstreams.http import HttpPool
from vestibule.gateway.upstreams.lines import Answered, Line, Pool
from vestibule.model import Upstream

__all__ = ["Answered", "Line", "Pool", "open_pool"]


def open_pool(upstream: Upstream, tls: Callable[[], ssl.SSLContext]) -> Pool:
    """`tls`: the process's one context for https, made when it is first needed."""
    return HttpPool(upstream, tls)
