"""An MCP server as people write them, with the official SDK: `python -m bench.real_upstream PORT`."""

import asyncio
import sys

import uvicorn
from mcp.server import MCPServer

ANSWER = "y" * 400  # told twice: as text and as structured content


def server() -> MCPServer:
    mcp = MCPServer("bench", version="1.0", log_level="WARNING")

    @mcp.tool()
    def search(text: str) -> str:
        """Find something."""
        return ANSWER

    return mcp


def main() -> None:
    app = server().streamable_http_app(stateless_http=True, json_response=True)
    config = uvicorn.Config(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
