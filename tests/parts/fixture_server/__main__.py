"""`python -m tests.parts.fixture_server PORT`, `PORT sse`, `PORT strip PREFIX`, or `--stdio`.

With a prefix: without it before the names of tools and prompts, as it is before them in an aggregate.
"""

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


def without(server: MCPServer, prefix: str) -> MCPServer:
    """Tools and prompts whose names begin so, without it; no others."""
    for kept in (server._tool_manager._tools, server._prompt_manager._prompts):
        found = {
            name.removeprefix(prefix): one.model_copy(update={"name": name.removeprefix(prefix)})
            for name, one in kept.items()
            if name.startswith(prefix)
        }
        kept.clear()
        kept.update(found)  # type: ignore[arg-type]
    return server


def main() -> None:
    if sys.argv[1] == "--stdio":
        fixture_server().run("stdio")
        return
    server = without(fixture_server(), sys.argv[3]) if sys.argv[2:3] == ["strip"] else fixture_server()
    app = (
        server.sse_app()
        if sys.argv[2:] == ["sse"]
        else server.streamable_http_app(event_store=EventsInMemory(), retry_interval=100)
    )
    config = uvicorn.Config(app, port=int(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=1, http="h11")
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
