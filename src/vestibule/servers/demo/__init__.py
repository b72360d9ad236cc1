"""The sample server: something pleasant to point a client at, in every era that the MCP SDK speaks.

It knows nothing of tokens. `server` puts it together, `run` serves it; `python -m vestibule.servers.demo` does both.
"""

from vestibule.servers.demo.run import serve_http, serve_stdio
from vestibule.servers.demo.server import demo_server

__all__ = ["demo_server", "serve_http", "serve_stdio"]
