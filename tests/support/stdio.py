"""Callers of a server behind a pipe: what each era's client sends, and nothing more."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.support.house import Door, Flow, SignedIn, open_door
from vestibule.gateway.upstreams.bridge import BridgePool

ODD_SERVER = Path(__file__).parents[1] / "parts" / "odd_server.py"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}


def odd(*flags: str, **keys: Any) -> dict[str, Any]:
    """An upstream that is the odd server."""
    return {"name": "main", "command": [sys.executable, "-S", str(ODD_SERVER), *flags], **keys}


@asynccontextmanager
async def odd_door(folder: Path, *flags: str, **keys: Any) -> AsyncIterator[Door]:
    async with open_door(folder, "", upstreams=[odd(*flags, **keys)]) as door:
        yield door


async def sign_in_as(door: Door, login: str) -> SignedIn:
    flow, visitor = Flow(door, await door.register()), door.browser()
    flow.code = (await visitor.approve(flow, login=login))["code"]
    answer = await flow.redeem()
    assert answer.status_code == 200, answer.text
    return SignedIn(door, flow, visitor, answer.json())


async def modern(
    door: Door, token: str, method: str, params: dict[str, Any] | None = None, *, rpc_id: Any = 1, **more: Any
) -> httpx2.Response:
    """One request of 2026-07-28, with the headers that it wants; `headers` are added, None takes one out."""
    meta = {**META, **more.pop("meta", {})}
    params = {**(params or {}), "_meta": meta}
    name = params.get("name", params.get("uri"))
    headers = {"Mcp-Method": method, **({"Mcp-Name": name} if name else {}), **more.pop("headers", {})}
    body = {"jsonrpc": "2.0", "id": rpc_id, "method": method, "params": params}
    return await door.call(token, headers=headers, content=json.dumps(body).encode(), **more)


async def tool(door: Door, token: str, name: str, *, rpc_id: Any = 1, **arguments: Any) -> httpx2.Response:
    return await modern(door, token, "tools/call", {"name": name, "arguments": arguments}, rpc_id=rpc_id)


async def asked(door: Door, times: int = 1) -> None:
    """Until so many requests wait for the servers behind the door."""
    pool = door.house.gateway.pools["main"]
    assert isinstance(pool, BridgePool)
    async with asyncio.timeout(10):
        while sum(len(server.waiting) for server in pool._fleet._servers) < times:
            await asyncio.sleep(0.01)


def text_of(answer: httpx2.Response | dict[str, Any]) -> Any:
    """What a tool of the odd server has said."""
    message = messages_of(answer)[-1] if isinstance(answer, httpx2.Response) else answer
    return json.loads(message["result"]["content"][0]["text"])


def messages_of(answer: httpx2.Response) -> list[dict[str, Any]]:
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    return [answer.json()]


@dataclass
class LegacyClient:
    """A session of 2025-11-25."""

    door: Door
    token: str
    session: str = ""
    version: str = "2025-11-25"
    opened: dict[str, Any] = field(default_factory=dict)

    async def open(self) -> "LegacyClient":
        params = {"protocolVersion": self.version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        answer = await self.post("initialize", params, rpc_id="init")
        assert answer.status_code == 200, answer.text
        self.session, self.opened = answer.headers["mcp-session-id"], messages_of(answer)[-1]
        assert (await self.post("notifications/initialized", rpc_id=None)).status_code == 202
        return self

    def headers(self) -> dict[str, str]:
        found = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        found |= {"Authorization": f"Bearer {self.token}"}
        if self.session:
            found |= {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": self.version}
        return found

    def body(self, method: str, params: dict[str, Any] | None = None, rpc_id: Any = 1) -> bytes:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        return json.dumps(message if rpc_id is None else {**message, "id": rpc_id}).encode()

    async def post(self, method: str, params: dict[str, Any] | None = None, *, rpc_id: Any = 1) -> httpx2.Response:
        content = self.body(method, params, rpc_id)
        return await self.door.http.post(self.door.mcp, headers=self.headers(), content=content)

    async def tool(self, name: str, *, rpc_id: Any = 1, meta: dict[str, Any] | None = None, **arguments: Any) -> Any:
        params = {"name": name, "arguments": arguments, **({"_meta": meta} if meta else {})}
        return await self.post("tools/call", params, rpc_id=rpc_id)
