"""The sample server: something pleasant to point a client at, in every era that the MCP SDK speaks."""

from vestibule.servers.demo.run import serve_http, serve_stdio
from vestibule.servers.demo.server import demo_server

__all__ = ["demo_server", "serve_http", "serve_stdio"]
