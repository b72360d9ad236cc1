"""An aggregate of two real servers and one that answers what a test says."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.parts.processes import free_port, running
from tests.parts.python_client import TokensInMemory, python_client
from tests.support.house import Door, Flow, SignedIn, open_door
from vestibule.testing.recording_upstream import Exchange, RecordedRequest, RecordingUpstream, json_answer, raw_answer

REDIRECT = "http://127.0.0.1:7777/callback"


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "vestibule", "server", "demo", "--http", str(port)]
    with running(command, port=port, log=tmp_path_factory.mktemp("demo") / "log"):
        yield f"http://127.0.0.1:{port}/mcp"


@pytest.fixture(scope="session")
def wiki_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.parts.wiki_server", str(port)]
    with running(command, port=port, log=tmp_path_factory.mktemp("wiki") / "log"):
        yield f"http://127.0.0.1:{port}/mcp"


@dataclass
class Together:
    """A gateway whose /all/mcp stands for several servers."""

    door: Door
    broken: RecordingUpstream | None = None
    scope: str | None = None
    people: list[SignedIn] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.door.url}/all/mcp"

    async def browser(self, url: str) -> str:
        visitor = self.door.browser()
        answer = await visitor.get(url)
        page = await visitor.get(answer.headers["location"])
        answer = await visitor.sign_in_at(await visitor.decide(page))
        return str(answer.headers["location"])

    def client(self, mode: Any = "auto", **options: Any) -> Any:
        return python_client(self.url, REDIRECT, self.browser, storage=TokensInMemory(), mode=mode, **options)

    async def sign_in(self, scope: str | None = None, login: str = "ada", client: Any = None) -> SignedIn:
        flow = Flow(self.door, client or await self.door.register(), resource=self.url, scope=scope)
        visitor = self.door.browser()
        flow.code = (await visitor.approve(flow, login))["code"]
        answer = await flow.redeem()
        assert answer.status_code == 200, answer.text
        return SignedIn(self.door, flow, visitor, answer.json())


@pytest.fixture
async def broken() -> AsyncIterator[RecordingUpstream]:
    async with RecordingUpstream() as upstream:
        upstream.answer = raw_answer(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{{{"
        )
        yield upstream


@pytest.fixture
async def together(tmp_path: Path, demo_url: str, wiki_url: str, broken: RecordingUpstream) -> AsyncIterator[Together]:
    upstreams = [
        {"name": "demo", "url": demo_url},
        {"name": "broken", "url": broken.url},
        {"name": "wiki", "url": wiki_url, "title": "The wiki"},
    ]
    async with open_door(
        tmp_path, demo_url, upstreams=upstreams, aggregate={"enabled": True, "deadline": "2s"}
    ) as door:
        yield Together(door, broken)


class Scripted:
    """A member that answers by method what a test says: a result, or an `Answer` of the recording upstream."""

    def __init__(self, upstream: RecordingUpstream, name: str) -> None:
        self.upstream = upstream
        self.name = name
        self.session = f"{name}-session"
        self.results: dict[str, Any] = {
            "tools/list": {"tools": [tool("read"), tool("write")], "ttlMs": 5000, "cacheScope": "public"},
            "tools/call": {"content": [{"type": "text", "text": f"{name} called"}]},
            "initialize": {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": name, "version": "1"},
            },
            "logging/setLevel": {},
        }
        upstream.answer = self._answer

    @property
    def requests(self) -> list[RecordedRequest]:
        return self.upstream.requests

    def asked(self, method: str) -> list[dict[str, Any]]:
        """The messages of this method that reached it."""
        return [one for one in map(message_of, self.requests) if one.get("method") == method]

    async def _answer(self, exchange: Exchange) -> None:
        request = exchange.request
        message = message_of(request)
        headers: tuple[str, ...] = ()
        if message.get("method") == "initialize":
            headers = (f"Mcp-Session-Id: {self.session}",)
        elif request.header("mcp-session-id") not in (None, self.session):
            await json_answer({}, status=404)(exchange)
            return
        if request.method != "POST" or "id" not in message or "method" not in message:
            given = self.results.get(request.method)
            status = 202 if request.method == "POST" else 405
            await (given or raw_answer(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()))(exchange)
            return
        given = self.results.get(message["method"])
        if callable(given):
            await given(exchange)
        elif given is None:
            error = {"code": -32601, "message": "Method not found"}
            await json_answer({"jsonrpc": "2.0", "id": message["id"], "error": error}, status=404)(exchange)
        else:
            whole = {"jsonrpc": "2.0", "id": message["id"], "result": given}
            await json_answer(whole, headers=headers)(exchange)


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def message_of(request: RecordedRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body) if request.body else {}
    return found


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@dataclass
class Pair:
    """Two scripted members, `a` and `b`, behind one address."""

    door: Door
    a: Scripted
    b: Scripted

    @property
    def url(self) -> str:
        return f"{self.door.url}/all/mcp"

    async def sign_in(self, scope: str | None = None, login: str = "ada") -> str:
        return (await Together(self.door).sign_in(scope, login)).access_token

    async def ask(
        self, token: str | None, method: str, params: dict[str, Any] | None = None, **headers: str
    ) -> httpx2.Response:
        """A request of the modern era."""
        params = {**(params or {}), "_meta": META}
        sent = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
        if method in _NAMED:
            sent["Mcp-Name"] = params[_NAMED[method]]
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        return await self._send(token, message, {**sent, **headers})

    async def say(self, token: str | None, message: dict[str, Any], session: str | None = None) -> httpx2.Response:
        """A message of a legacy era."""
        headers = {"MCP-Protocol-Version": "2025-11-25"} if session is not None else {}
        if session is not None:
            headers["Mcp-Session-Id"] = session
        return await self._send(token, {"jsonrpc": "2.0", **message}, headers)

    async def open(self, token: str | None) -> str:
        """A legacy session's id."""
        answer = await self.say(token, {"id": 1, "method": "initialize", "params": INITIALIZE})
        assert answer.status_code == 200, answer.text
        return answer.headers["mcp-session-id"]

    async def _send(self, token: str | None, message: dict[str, Any], headers: dict[str, str]) -> httpx2.Response:
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers}
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token}")
        return await self.door.http.post(self.url, content=json.dumps(message).encode(), headers=sent)


INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {}, "tasks": {}},
    "clientInfo": {"name": "test", "version": "1"},
}


@asynccontextmanager
async def open_pair(folder: Path, **keys: Any) -> AsyncIterator[Pair]:
    """`keys`: of the configuration; those of the members under `a` and `b`."""
    async with RecordingUpstream() as first, RecordingUpstream() as second:
        a, b = Scripted(first, "a"), Scripted(second, "b")
        upstreams = [{"name": one.name, "url": one.upstream.url, **keys.pop(one.name, {})} for one in (a, b)]
        keys = {"upstreams": upstreams, "aggregate": {"enabled": True, "deadline": "1s"}, **keys}
        async with open_door(folder, first.url, **keys) as door:
            yield Pair(door, a, b)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with open_pair(tmp_path) as found:
        yield found


def names(answer: httpx2.Response, key: str = "tools") -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["result"][key]]
