"""Each request, stream, session and task sees its own caller, however many there are at once."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from fastmcp import FastMCP
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer

from tests.library.conftest import RESOURCE, Example, Issuer, bearer, in_process, lifespan_of, served
from vestibule import MissingAuthorization, current_principal, protect, require_scopes

PEOPLE = [f"person-{number}" for number in range(100)]


async def streaming(scope: Any, receive: Any, send: Any) -> None:
    """Says who calls at every event of a stream, in a task of its own, and after the answer."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for _ in range(5):
        await asyncio.sleep(0)
        line = f"data: {current_principal().subject}\n\n".encode()
        await send({"type": "http.response.body", "body": line, "more_body": True})

    async def afterwards() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        after.append((scope["state"]["principal"].subject, current_principal().subject))

    _tasks.append(asyncio.create_task(afterwards()))
    await send({"type": "http.response.body", "body": b""})


after: list[tuple[str, str]] = []
_tasks: list[asyncio.Task[None]] = []


async def all_done() -> None:
    tasks = [*_tasks]
    _tasks.clear()
    await asyncio.gather(*tasks)


async def test_a_hundred_interleaved_streams_see_their_own_callers(issuer: Issuer) -> None:
    after.clear()
    app = protect(streaming, resource=RESOURCE, issuers=[issuer.issuer])
    async with in_process(app) as http:

        async def one(person: str) -> None:
            answer = await http.get("/mcp", headers=bearer(issuer.access_token(sub=person)))
            assert answer.text == f"data: {person}\n\n" * 5

        await asyncio.gather(*map(one, PEOPLE))
        await all_done()
    assert sorted(after) == sorted((person, person) for person in PEOPLE)
    with pytest.raises(MissingAuthorization):
        current_principal()


async def test_several_applications_in_one_process(issuer: Issuer) -> None:
    """One calls another: each sees who called it, and afterwards the first sees its own again."""
    inner = protect(streaming, resource="http://127.0.0.1:3000/inner", issuers=[issuer.issuer])
    seen: list[str] = []

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(current_principal().subject)
            headers = [(b"authorization", f"Bearer {token}".encode())]
            answer: list[Any] = []

            async def collect(message: Any) -> None:
                answer.append(message)

            await inner({**scope, "headers": headers, "path": "/inner"}, receive, collect)
            seen.append(answer[1]["body"].decode().strip())
            seen.append(current_principal().subject)
        await streaming(scope, receive, send)

    token = issuer.access_token(sub="of the inner", aud="http://127.0.0.1:3000/inner")
    door = protect(outer, resource=RESOURCE, issuers=[issuer.issuer])
    async with in_process(door) as http, lifespan_of(inner):
        await http.get("/mcp", headers=bearer(issuer.access_token(sub="of the outer")))
        await all_done()
    assert seen == ["of the outer", "data: of the inner", "of the outer"]


def slow_server(kind: str) -> Any:
    """A server with a tool that asks again and again who calls."""

    async def who(times: int) -> list[str]:
        seen = []
        for _ in range(times):
            await asyncio.sleep(0.001)
            seen.append(current_principal().subject)
        return seen

    def scopes() -> list[str]:
        return sorted(current_principal().scopes)

    mcp: Any = MCPServer("Slow") if kind == "sdk" else FastMCP("Slow")
    mcp.tool()(who)
    mcp.tool()(scopes)
    return mcp.streamable_http_app() if kind == "sdk" else mcp.http_app()


class Bearer(httpx2.Auth):
    """A token that the test may exchange for another while a client is connected."""

    def __init__(self, token: str) -> None:
        self.token = token

    def auth_flow(self, request: httpx2.Request) -> Any:
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


@pytest.mark.parametrize("kind", ["sdk", "fastmcp"])
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools_of_many_clients_at_once(kind: str, mode: Any, issuer: Issuer, port: int) -> None:
    resource = f"http://127.0.0.1:{port}/mcp"
    app = protect(slow_server(kind), resource=resource, issuers=[issuer.issuer], scopes=["tickets.read"])

    async def one(person: str) -> None:
        auth = Bearer(issuer.access_token(sub=person, aud=resource))
        async with (
            httpx2.AsyncClient(auth=auth, trust_env=False, timeout=30) as http,
            Client(streamable_http_client(resource, http_client=http), mode=mode) as client,
        ):
            calls = [client.call_tool("who", {"times": 5}) for _ in range(3)]
            for result in await asyncio.gather(*calls):
                assert result.structured_content == {"result": [person] * 5}

    async with served(app, port):
        await asyncio.gather(*map(one, PEOPLE[:8]))


@pytest.mark.parametrize("kind", ["sdk", "fastmcp"])
async def test_a_legacy_session_sees_the_token_of_each_request(kind: str, issuer: Issuer, port: int) -> None:
    """The session's loop was started by the first request; after a step-up the next one brings another token."""
    resource = f"http://127.0.0.1:{port}/mcp"
    app = protect(slow_server(kind), resource=resource, issuers=[issuer.issuer], scopes=["a"])
    auth = Bearer(issuer.access_token("a", aud=resource))
    async with (
        served(app, port),
        httpx2.AsyncClient(auth=auth, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(resource, http_client=http), mode="legacy") as client,
    ):
        assert (await client.call_tool("scopes", {})).structured_content == {"result": ["a"]}
        auth.token = issuer.access_token("a b", aud=resource)
        assert (await client.call_tool("scopes", {})).structured_content == {"result": ["a", "b"]}


@pytest.mark.parametrize("kind", ["sdk", "fastmcp"])
async def test_a_session_is_of_whoever_opened_it(kind: str, issuer: Issuer) -> None:
    """CVE-2026-52869: knowing a session id is not enough."""
    app = protect(slow_server(kind), resource=RESOURCE, issuers=[issuer.issuer])
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    opening = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    async with in_process(app) as http:
        ada = await http.post("/mcp", json=opening, headers={**headers, **bearer(issuer.access_token(sub="ada"))})
        headers["Mcp-Session-Id"] = ada.headers["mcp-session-id"]
        listing = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
        for sub, client, status in [("eve", "client-1", 404), ("ada", "client-2", 404), ("ada", "client-1", 200)]:
            token = issuer.access_token(sub=sub, client_id=client)
            answer = await http.post("/mcp", content=listing, headers={**headers, **bearer(token)})
            assert answer.status_code == status, answer.text


async def test_the_sdk_own_way_to_the_token_works_and_does_not_show_it(issuer: Issuer) -> None:
    from mcp.server.auth.middleware.auth_context import get_access_token

    mcp = MCPServer("Old")

    @mcp.tool()
    async def old(context: Context) -> list[Any]:
        token = get_access_token()
        assert token is not None
        return [token.client_id, token.scopes, token.token]

    from tests.library.test_scopes_of_tools import call, modern

    app = protect(mcp.streamable_http_app(), resource=RESOURCE, issuers=[issuer.issuer])
    async with in_process(app) as http:
        answer = await call(http, issuer.access_token(), modern("old"))
    assert answer.json()["result"]["structuredContent"] == {"result": ["client-1", ["tickets.read"], ""]}
    assert get_access_token() is None


async def test_a_background_task_of_starlette_keeps_its_caller(issuer: Issuer) -> None:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    seen: list[str] = []

    def note() -> None:
        seen.append(current_principal().subject)

    @require_scopes("tickets.read")
    async def endpoint(request: Any) -> PlainTextResponse:
        return PlainTextResponse("ok", background=BackgroundTask(note))

    app = protect(Starlette(routes=[Route("/mcp", endpoint)]), resource=RESOURCE, issuers=[issuer.issuer])
    async with in_process(app) as http:
        for person in PEOPLE[:5]:
            await http.get("/mcp", headers=bearer(issuer.access_token(sub=person)))
    assert seen == PEOPLE[:5]


async def test_starlette(example: Example, issuer: Issuer) -> None:
    app = example("starlette_app", RESOURCE, issuer.issuer)
    reader, writer = bearer(issuer.access_token()), bearer(issuer.access_token("tickets.read tickets.write", sub="bob"))
    async with in_process(app) as http:
        assert (await http.get("/me", headers=reader)).json() == {"subject": "ada"}
        assert (await http.get("/events", headers=reader)).text.count("for ada") == 3
        assert (await http.get("/tickets", headers=reader)).json()["reader"].endswith(":ada")
        refused = await http.post("/tickets", headers=reader)
        assert refused.status_code == 403
        assert 'scope="tickets.read tickets.write"' in refused.headers["www-authenticate"]
        assert refused.json()["error"] == "INSUFFICIENT_SCOPE"
        assert (await http.post("/tickets", headers=writer)).json() == {"writer": "bob"}
        assert (await http.get("/me")).status_code == 401


async def test_a_websocket(example: Example, issuer: Issuer, port: int) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    app = example("starlette_app", RESOURCE, issuer.issuer)
    async with served(app, port) as url:
        echo = f"ws{url.removeprefix('http')}/echo"
        async with connect(echo, additional_headers=bearer(issuer.access_token()), proxy=None) as socket:
            assert await socket.recv() == "ada"
        with pytest.raises(InvalidStatus) as refused:
            await connect(echo, proxy=None)
    assert refused.value.response.status_code == 401
    assert "resource_metadata" in refused.value.response.headers["WWW-Authenticate"]


async def test_fastapi(example: Example, issuer: Issuer) -> None:
    app = example("fastapi_app", RESOURCE, issuer.issuer)
    reader, writer = bearer(issuer.access_token()), bearer(issuer.access_token("tickets.read tickets.write"))
    async with in_process(app) as http:
        assert (await http.get("/healthz")).json() == "alive"
        assert (await http.get("/me", headers=reader)).json() == {"subject": "ada", "issuer": issuer.issuer}
        refused = await http.delete("/tickets/1", headers=reader)
        assert refused.status_code == 403
        assert 'scope="tickets.read tickets.write"' in refused.headers["www-authenticate"]
        assert (await http.delete("/tickets/1", headers=writer)).json() == "ada closed 1"
        assert (await http.get("/openapi.json", headers=reader)).json()["paths"]["/tickets/{number}"]["delete"]
