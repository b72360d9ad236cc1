"""`python old_server.py`: an MCP server on a pipe that knows the handshake alone, and nothing before it."""

import json
import sys
from typing import Any


def answer(method: str, params: dict[str, Any], *, is_open: bool) -> dict[str, Any]:
    if method == "initialize":
        about = {"name": "old", "version": "1"}
        return {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": about}}
    if not is_open:
        return {"error": {"code": -32602, "message": "Received request before initialization was complete"}}
    if method == "tools/list":
        return {"result": {"tools": [{"name": "hello", "inputSchema": {"type": "object"}}]}}
    if method == "tools/call":
        return {"result": {"content": [{"type": "text", "text": "hello"}]}}
    return {"error": {"code": -32601, "message": "Method not found"}}


def main() -> None:
    is_open = False
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            found = answer(message["method"], message.get("params", {}), is_open=is_open)
            is_open = is_open or message["method"] == "initialize"
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **found}), flush=True)


if __name__ == "__main__":
    main()
