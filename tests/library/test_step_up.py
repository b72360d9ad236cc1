"""Real clients step up: too few scopes, a 403 that names them, a new sign-in, and the same call works.

The issuer is a whole gateway of ours at the same origin, as behind a reverse proxy: /mcp and its metadata are the
protected application's, everything else the gateway's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.library.conftest import Example, served
from tests.parts.processes import free_port
from tests.parts.python_client import TokensInMemory, python_client
from tests.parts.typescript_client import typescript_client
from tests.support.house import Door, open_door
from vestibule.testing.clock import FrozenClock

pytestmark = pytest.mark.slow

REDIRECT = "http://127.0.0.1:7777/callback"
SCOPES = {"default": ["tickets.read"], "optional": ["tickets.write"]}


def in_front(app: Any, gateway: str, http: httpx2.AsyncClient) -> Any:
    """A reverse proxy: the application's paths, and the gateway for the rest."""

    async def front(scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path == "/mcp" or path.startswith("/.well-known/oauth-protected-resource"):
            await app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        url = f"{gateway}{path}?{scope['query_string'].decode()}".removesuffix("?")
        answer = await http.request(scope["method"], url, headers=scope["headers"], content=body)
        headers = [
            (k, v) for k, v in answer.headers.raw if k.lower() not in (b"content-encoding", b"transfer-encoding")
        ]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})

    return front


@pytest.fixture(params=["mcp_sdk", "fastmcp_server"])
async def tickets(request: pytest.FixtureRequest, example: Example, tmp_path: Path) -> AsyncIterator[Door]:
    """The example, and the gateway whose tokens it takes. `door.url` is the origin of both."""
    async with protected(request.param, example, tmp_path) as door:
        yield door


@asynccontextmanager
async def protected(name: str, example: Example, folder: Path) -> AsyncIterator[Door]:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    keys: dict[str, Any] = {
        "public_url": origin,
        "upstreams": [{"name": "main", "url": "http://127.0.0.1:9/unused", "scopes": SCOPES}],
        "tokens": {"format": "jwt"},
    }
    clock = FrozenClock(datetime.now(UTC))
    async with open_door(folder, "", clock=clock, **keys) as door, httpx2.AsyncClient(trust_env=False) as http:
        front = in_front(example(name, f"{origin}/mcp", origin), door.url, http)
        async with served(front, port):
            door.url = origin
            yield door


def person(door: Door, asked: list[list[str]]) -> Callable[[str], Awaitable[str]]:
    """Somebody at a browser, with the development sign-in; notes which scopes they are asked for."""

    async def browser(url: str) -> str:
        asked.append(parse_qs(urlsplit(url).query)["scope"][0].split())
        visitor = door.browser()
        answer = await visitor.get(url)
        page = await visitor.get(answer.headers["location"])
        answer = await visitor.sign_in_at(await visitor.decide(page), "ada")
        return str(answer.headers["location"])

    return browser


async def test_the_typescript_client_steps_up(tickets: Door) -> None:
    asked: list[list[str]] = []
    browser = person(tickets, asked)
    async with typescript_client(tickets.mcp, REDIRECT) as client:
        url = (await client.ask("connect"))["authorize"]
        assert (await client.ask("finish", callback=await browser(url)))["connected"]
        assert set((await client.ask("list"))["tools"]) == {"list_tickets", "close_ticket"}
        listed = (await client.ask("call", name="list_tickets", arguments={}))["result"]
        assert "printer" in str(listed)

        url = (await client.ask("call", name="close_ticket", arguments={"number": 1}))["authorize"]
        assert (await client.ask("finish", callback=await browser(url)))["connected"]
        closed = (await client.ask("call", name="close_ticket", arguments={"number": 1}))["result"]
    assert "closed: The printer is on fire." in str(closed)
    assert not closed.get("isError")
    assert [set(scopes) - {"offline_access"} for scopes in asked] == [
        {"tickets.read"},
        {"tickets.read", "tickets.write"},
    ]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_python_client_steps_up(tickets: Door, mode: str) -> None:
    asked: list[list[str]] = []
    storage = TokensInMemory()
    async with python_client(tickets.mcp, REDIRECT, person(tickets, asked), storage=storage, mode=mode) as client:
        assert "printer" in str((await client.call_tool("list_tickets", {})).content)
        closed = await client.call_tool("close_ticket", {"number": 1})
    assert "closed: The printer is on fire." in str(closed.content)
    assert [set(scopes) - {"offline_access"} for scopes in asked] == [
        {"tickets.read"},
        {"tickets.read", "tickets.write"},
    ]
