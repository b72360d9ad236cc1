"""What is sent: MCP requests of 2026-07-28, byte for byte the same to everybody but for the token."""

import json

VERSION = "2026-07-28"
TOKEN = "@TOKEN@"  # the load puts the next token here


def call(port: int, token: str = "", *, name: str = "search", size: int = 1024, version: str = VERSION) -> bytes:
    """A tools/call whose body has `size` bytes."""
    return post(port, token, method="tools/call", name=name, body=_body(name, size, version), version=version)


def listen(port: int, token: str = "") -> bytes:
    """What opens an event stream."""
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "subscriptions/listen",
        "params": {"_meta": _META, "notifications": {}},
    }
    return post(port, token, method="subscriptions/listen", name="", body=json.dumps(body).encode())


def post(port: int, token: str, *, method: str, name: str, body: bytes, version: str = VERSION) -> bytes:
    lines = [
        "POST /mcp HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"MCP-Protocol-Version: {version}",
        f"Mcp-Method: {method}",
        *([f"Mcp-Name: {name}"] if name else []),
        *([f"Authorization: Bearer {token}"] if token else []),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


_META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def _body(name: str, size: int, version: str) -> bytes:
    params: dict[str, object] = {"name": name, "arguments": {"text": ""}}
    if version == VERSION:
        params["_meta"] = _META
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    params["arguments"] = {"text": "x" * max(0, size - len(json.dumps(message)))}
    return json.dumps(message).encode()


def call_body(size: int = 1024) -> str:
    """Of a tools/call of so many bytes."""
    return _body("search", size, VERSION).decode()
