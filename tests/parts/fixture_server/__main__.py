"""`python -m tests.parts.fixture_server PORT`, `PORT sse`, or `--stdio`."""

import asyncio
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.caching import CacheHint

from tests.parts.fixture_server.calls import add_call_tools
from tests.parts.fixture_server.content import add_content_tools
from tests.parts.fixture_server.events import EventsInMemory
from tests.parts.fixture_server.lists import add_legacy_handlers, add_lists, schema_tool
from tests.parts.fixture_server.rounds import add_round_tools


def fixture_server() -> MCPServer:
    hint = CacheHint(ttl_ms=1000, scope="private")
    server = MCPServer(
        "conformance-fixture",
        version="1.0",
        log_level="WARNING",
        tools=[schema_tool()],
        cache_hints={
            "tools/list": hint,
            "prompts/list": hint,
            "resources/list": hint,
            "resources/templates/list": hint,
            "resources/read": hint,
            "server/discover": hint,
        },
    )
    add_content_tools(server)
    add_call_tools(server)
    add_round_tools(server)
    add_lists(server)
    add_legacy_handlers(server._lowlevel_server)
    return server


def main() -> None:
    if sys.argv[1] == "--stdio":
        fixture_server().run("stdio")
        return
    server = fixture_server()
    app = (
        server.sse_app()
        if sys.argv[2:] == ["sse"]
        else server.streamable_http_app(event_store=EventsInMemory(), retry_interval=100)
    )
    config = uvicorn.Config(app, port=int(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=1, http="h11")
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
