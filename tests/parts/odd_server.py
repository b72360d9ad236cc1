"""`python odd_server.py [--deaf] [--dies] [--forks]`: an MCP server on a pipe that does what nobody should.

Standard library only, so that it starts in a moment. It speaks both eras in one reading of each message, and its tools
are its faults. It is a recorder, too: `seen` tells what has come.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SCHEMA = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
TOOLS = "echo garbage long_line flood exit fall twice wrong close never where chatty ask seen slow big change".split()
cancelled: list[Any] = []
seen: list[str] = []


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def tell(message: dict[str, Any]) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")


def answer(rpc_id: Any, result: dict[str, Any]) -> None:
    tell({"id": rpc_id, "result": {"resultType": "complete", **result}})


def text(rpc_id: Any, value: Any) -> None:
    answer(rpc_id, {"content": [{"type": "text", "text": json.dumps(value)}]})


def call(rpc_id: Any, params: dict[str, Any]) -> None:
    name, arguments = params["name"], params.get("arguments") or {}
    token = (params.get("_meta") or {}).get("progressToken")
    if name == "garbage":
        write('no JSON\n[1, 2]\n{"jsonrpc": "2.0"\n\n"a text"\n{}\n\x00\xff\n{"jsonrpc":"2.0","result":{}}\n')
    elif name == "long_line":
        for _ in range(1024):
            write("x" * (1024 * 1024))
    elif name == "flood":
        sys.stderr.write("a line of nothing much\n" * 200_000 + "y" * 3_000_000)
    elif name == "exit":
        os._exit(3)
    elif name == "fall":
        tell({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})
        os._exit(3)
    elif name == "wrong":
        for other in (rpc_id + 1, str(rpc_id), 0, -1, None, 10**30, 1.5):
            answer(other, {"content": [{"type": "text", "text": '"not yours"'}]})
    elif name == "close":
        os.close(1)
        time.sleep(60)
    elif name == "chatty":
        for step in range(arguments.get("times", 3)):
            if token is not None:
                tell({"method": "notifications/progress", "params": {"progressToken": token, "progress": step}})
            tell(
                {"method": "notifications/message", "params": {"level": "info", "data": "z" * arguments.get("size", 1)}}
            )
    elif name == "ask":
        tell({"id": "q-1", "method": "elicitation/create", "params": {"message": "Well?"}})
        reply = json.loads(sys.stdin.readline())
        text(rpc_id, reply)
        return
    elif name == "slow":
        time.sleep(arguments["seconds"])
    elif name == "change":
        tell({"method": "notifications/tools/list_changed"})
        tell({"method": "notifications/resources/updated", "params": {"uri": "test://a"}})
    if name == "never":
        return
    if name == "where":
        text(
            rpc_id, {"environment": dict(os.environ), "folder": str(Path.cwd()), "pid": os.getpid(), "words": sys.argv}
        )
    elif name == "seen":
        text(rpc_id, {"cancelled": cancelled, "seen": seen, "pid": os.getpid()})
    elif name == "big":
        text(rpc_id, "b" * arguments["size"])
    else:
        text(rpc_id, {"pid": os.getpid(), "id": rpc_id, **arguments})
    if name == "twice":
        text(rpc_id, "again")


def handle(message: dict[str, Any]) -> None:
    method, rpc_id, params = message.get("method", ""), message.get("id"), message.get("params") or {}
    seen.append(method)
    if method == "initialize":
        offers: dict[str, Any] = {"tools": {}, "logging": {}, "tasks": {}, "resources": {}}
        about = {"name": "odd", "version": "1"}
        answer(rpc_id, {"protocolVersion": params["protocolVersion"], "capabilities": offers, "serverInfo": about})
    elif method == "tools/list":
        cacheable = {"ttlMs": 0, "cacheScope": "private"}
        answer(rpc_id, {"tools": [{"name": name, "inputSchema": SCHEMA} for name in TOOLS], **cacheable})
    elif method == "tools/call":
        call(rpc_id, params)
    elif method == "notifications/cancelled":
        cancelled.append(params["requestId"])
    elif rpc_id is not None and method:
        known = method in ("ping", "resources/subscribe", "resources/unsubscribe", "server/discover")
        if known:
            answer(rpc_id, {})
        else:
            tell({"id": rpc_id, "error": {"code": -32601, "message": "no such method"}})


def main() -> None:
    if "--dies" in sys.argv:
        sys.exit(4)
    if "--deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "--forks" in sys.argv:
        subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], stdin=subprocess.DEVNULL)
    for line in sys.stdin:
        handle(json.loads(line))
    while "--deaf" in sys.argv:
        time.sleep(1)


if __name__ == "__main__":
    main()
