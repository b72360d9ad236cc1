"""A client of today before a server of 2024-11-05."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.security.vectors import vector
from tests.support.house import Door, SignedIn, open_door
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream, raw_answer

INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}


class OldServer:
    """An HTTP+SSE server with a session for each stream; answers what is in `on`, or with the method's name."""

    def __init__(self, upstream: RecordingUpstream) -> None:
        self.upstream = upstream
        self.endpoint = "/messages/?session_id={}"
        self.streams: dict[str, Exchange] = {}
        self.statuses: dict[str, int] = {}
        self.silent: set[str] = set()
        upstream.answer = self._answer

    async def _answer(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.method == "GET":
            if (status := self.statuses.get("GET")) is not None:
                await raw_answer(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)(exchange)
                return
            name = str(len(self.streams))
            self.streams[name] = exchange
            await exchange.begin_events()
            await self._say(exchange, b"event: endpoint\ndata: " + self.endpoint.format(name).encode() + b"\n\n")
            await exchange.closed.wait()
            return
        message: dict[str, Any] = json.loads(request.body)
        status = self.statuses.get(message.get("method", ""), 202)
        await raw_answer(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)(exchange)
        if status == 202 and "id" in message and message["method"] not in self.silent:
            result = {**INITIALIZE, "serverInfo": {"name": "old", "version": "1"}}
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            stream = self.streams[request.target.rpartition("=")[2]]
            await self._say(stream, b"event: message\ndata: " + json.dumps(answer).encode() + b"\n\n")

    async def _say(self, stream: Exchange, event: bytes) -> None:
        await stream.send(b"%x\r\n%b\r\n" % (len(event), event))


@pytest.fixture
def server(upstream: RecordingUpstream) -> OldServer:
    return OldServer(upstream)


@pytest.fixture
async def old(tmp_path: Path, server: OldServer) -> AsyncIterator[Door]:
    url = server.upstream.url.replace("/mcp", "/sse")
    credential = {"kind": "static", "header": "x-key", "value": "env:KEY"}
    upstreams = [{"name": "main", "url": url, "credential": credential}]
    async with open_door(tmp_path, url, upstreams=upstreams, environ={"KEY": "a key for the inner door"}) as running:
        yield running


@pytest.fixture
async def person(old: Door) -> SignedIn:
    return await old.sign_in()


async def ask(person: SignedIn, message: dict[str, Any], session: str = "") -> httpx2.Response:
    headers = {"MCP-Protocol-Version": "2025-11-25", **({"Mcp-Session-Id": session} if session else {})}
    return await person.door.http.post(
        person.door.mcp,
        content=json.dumps({"jsonrpc": "2.0", **message}),
        headers={
            "Authorization": f"Bearer {person.access_token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **headers,
        },
    )


async def begin(person: SignedIn) -> str:
    answer = await ask(person, {"id": 0, "method": "initialize", "params": INITIALIZE})
    assert answer.status_code == 200, answer.text
    session = answer.headers["mcp-session-id"]
    assert (await ask(person, {"method": "notifications/initialized"}, session)).status_code == 202
    return str(session)


async def test_each_session_has_a_stream_of_its_own_with_our_credential(person: SignedIn, server: OldServer) -> None:
    sessions = [await begin(person), await begin(person)]
    for session in sessions:
        assert (await ask(person, {"id": 1, "method": "tools/list"}, session)).json()["id"] == 1
    assert len(server.streams) == 2
    for request in server.upstream.requests:
        assert request.header("x-key") == "a key for the inner door"
        assert request.header("authorization") is None
        assert request.header("mcp-session-id") is None
    targets = [request.target for request in server.upstream.requests if b"tools/list" in request.body]
    assert targets == ["/messages/?session_id=0", "/messages/?session_id=1"]


async def test_ending_the_session_closes_its_stream(person: SignedIn, server: OldServer) -> None:
    session = await begin(person)
    headers = {"MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": session}
    assert (await person.door.call(person.access_token, method="DELETE", headers=headers)).status_code == 204
    async with asyncio.timeout(5):
        await server.streams["0"].closed.wait()


async def test_a_client_of_the_modern_era_is_sent_back_to_initialize(person: SignedIn, server: OldServer) -> None:
    answer = await person.door.call(person.access_token, headers={"Mcp-Method": "server/discover"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
    assert not server.upstream.requests


async def test_a_stream_that_breaks_answers_whoever_waits(person: SignedIn, server: OldServer) -> None:
    session = await begin(person)
    server.silent.add("tools/list")
    waiting = asyncio.create_task(ask(person, {"id": 7, "method": "tools/list"}, session))
    async with asyncio.timeout(5):
        while not any(b"tools/list" in request.body for request in server.upstream.requests):
            await asyncio.sleep(0.01)
    server.streams["0"].writer.transport.abort()
    answer = await waiting
    assert (answer.status_code, answer.json()["id"]) == (502, 7)
    assert (await ask(person, {"id": 8, "method": "tools/list"}, session)).status_code == 404


@pytest.mark.parametrize("where", ["GET", "tools/list"])
async def test_what_the_server_thinks_of_our_credential_is_not_the_callers_fault(
    person: SignedIn, server: OldServer, where: str
) -> None:
    session = "" if where == "GET" else await begin(person)
    server.statuses[where] = 401
    message = {"id": 1, "method": "tools/list"} if session else {"id": 1, "method": "initialize", "params": INITIALIZE}
    answer = await ask(person, message, session)
    assert answer.status_code == 502
    assert answer.json()["error"]["data"]["error_code"] == "UPSTREAM_CREDENTIAL_FAILED"


@vector("PROXY-004")
@pytest.mark.parametrize("endpoint", ["https://evil.example/m", "//evil.example/m", "javascript:alert(1)"])
async def test_nothing_follows_a_hostile_endpoint(
    vector: str, person: SignedIn, server: OldServer, endpoint: str
) -> None:
    server.endpoint = endpoint
    answer = await ask(person, {"id": 0, "method": "initialize", "params": INITIALIZE})
    assert (answer.status_code, answer.json()["error"]["data"]["error_code"]) == (502, "UPSTREAM_UNAVAILABLE")
    assert [request.method for request in server.upstream.requests] == ["GET"]


async def test_another_persons_session_is_none(person: SignedIn, server: OldServer) -> None:
    session = await begin(person)
    from tests.support.house import Flow

    door = person.door
    flow = Flow(door, await door.register())
    visitor = door.browser()
    flow.code = (await visitor.approve(flow, "grace"))["code"]
    other = SignedIn(door, flow, visitor, (await flow.redeem()).json())
    assert (await ask(other, {"id": 1, "method": "tools/list"}, session)).status_code == 404
