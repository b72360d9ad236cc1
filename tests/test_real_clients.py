"""Real MCP clients with their own OAuth, a real identity provider, and a server that knows nothing of either."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitRequestParams, ElicitResult

from tests.parts.identity_provider import OidcProvider, oidc_provider
from tests.parts.processes import free_port, running
from tests.parts.python_client import TokensInMemory, python_client
from tests.parts.reverse_proxy import PROXIES
from tests.parts.typescript_client import typescript_client
from tests.support.api_keys import make_key
from tests.support.behind_proxy import site_behind
from tests.support.house import Door, open_door

pytestmark = pytest.mark.slow

REDIRECT = "http://127.0.0.1:7777/callback"
TOOLS = {"greet", "count_down", "plan_trip", "weigh_words", "draw_bars", "what_arrived"}


@pytest.fixture(scope="module")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "vestibule", "server", "demo", "--http", str(port)]
    with running(command, port=port, log=tmp_path_factory.mktemp("demo") / "log"):
        yield f"http://127.0.0.1:{port}/mcp"


@pytest.fixture
async def development(tmp_path: Path, demo_url: str) -> AsyncIterator[Door]:
    async with open_door(tmp_path, demo_url) as door:
        yield door


@pytest.fixture
async def with_provider(tmp_path: Path, demo_url: str) -> AsyncIterator[tuple[Door, OidcProvider]]:
    idp_port, port = free_port(), free_port()
    with oidc_provider(idp_port, f"http://127.0.0.1:{port}/callback/work", tmp_path / "idp.log") as idp:
        work = {
            "kind": "oidc",
            "name": "work",
            "issuer": idp.issuer,
            "client_id": idp.client_id,
            "client_secret": idp.client_secret,
        }
        async with open_door(tmp_path, demo_url, port=port, identity_providers=[work]) as door:
            yield door, idp


def text_of(result: Any) -> str:
    """The text of a tool's first content, or of a resource's."""
    return str((result.content if hasattr(result, "content") else result.contents)[0].text)


def developer(door: Door, login: str = "ada") -> Callable[[str], Awaitable[str]]:
    """Somebody at a browser, with the development sign-in."""

    async def browser(url: str) -> str:
        visitor = door.browser()
        answer = await visitor.get(url)
        page = await visitor.get(answer.headers["location"])
        answer = await visitor.sign_in_at(await visitor.decide(page), login)
        return str(answer.headers["location"])

    return browser


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_python_client(development: Door, mode: str) -> None:
    async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content={"destination": "Oslo", "days": 2})

    reported: list[float] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    storage = TokensInMemory()
    async with python_client(
        development.mcp, REDIRECT, developer(development), storage=storage, mode=mode, elicitation_callback=answer
    ) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        arrived = (await client.call_tool("what_arrived", {})).structured_content
        assert arrived is not None
        assert arrived["carries_a_token"] is False
        assert storage.tokens is not None
        assert storage.tokens.access_token not in str(arrived)
        trip = await client.call_tool("plan_trip", {})
        assert "2 days in Oslo" in text_of(trip)
        await client.call_tool("count_down", {"seconds": 1}, progress_callback=report)
        assert reported == [0, 1]
        weighed = await client.call_tool("weigh_words", {"text": "a b a"})
        assert weighed.structured_content == {"words": 3, "different": 2, "most_common": {"a": 2, "b": 1}}
        drawn = await client.call_tool("draw_bars", {"values": [1, 2]})
        assert drawn.content[0].model_dump()["mime_type"] == "image/png"
        assert "front door" not in text_of(await client.read_resource("notes://tokens"))
        assert len((await client.list_prompts()).prompts) == 1

        first = storage.tokens
        development.clock.advance(601)  # the token has expired here; the client finds out by the 401
        first_refresh = first.refresh_token
        await client.call_tool("greet", {"name": "Ada"})
        assert storage.tokens.access_token != first.access_token
        assert storage.tokens.refresh_token != first_refresh


async def test_the_python_client_after_revocation(development: Door) -> None:
    storage = TokensInMemory()
    asked: list[str] = []
    sign_in = developer(development)

    async def browser(url: str) -> str:
        asked.append(url)
        return await sign_in(url)

    async with python_client(development.mcp, REDIRECT, browser, storage=storage) as client:
        await client.call_tool("greet", {"name": "Ada"})
        assert storage.tokens is not None
        assert storage.client is not None
        form = {"token": storage.tokens.refresh_token, "client_id": storage.client.client_id}
        headers = {}
        if storage.client.client_secret:
            import base64

            pair = f"{storage.client.client_id}:{storage.client.client_secret}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = await development.http.post(f"{development.url}/revoke", data=form, headers=headers)
        assert answer.status_code == 200
        await client.call_tool("greet", {"name": "Ada"})  # signs in anew
    assert len(asked) == 2


async def test_the_typescript_client(development: Door) -> None:
    async with typescript_client(development.mcp, REDIRECT) as client:
        url = (await client.ask("connect"))["authorize"]
        back = await developer(development)(url)
        assert (await client.ask("finish", callback=back))["connected"]
        assert set((await client.ask("list"))["tools"]) == TOOLS
        before = (await client.ask("tokens"))["tokens"]
        result = (await client.ask("call", name="what_arrived", arguments={}))["result"]
        assert result["structuredContent"]["carries_a_token"] is False
        assert before["access_token"] not in str(result)
        development.clock.advance(601)
        greeted = (await client.ask("call", name="greet", arguments={"name": "Ada"}))["result"]
        assert "Hello, Ada" in greeted["content"][0]["text"]
        after = (await client.ask("tokens"))["tokens"]
        assert after["refresh_token"] != before["refresh_token"]


async def test_through_a_real_identity_provider(with_provider: tuple[Door, OidcProvider]) -> None:
    door, idp = with_provider
    visitor = door.browser()

    async def browser(url: str) -> str:
        answer = await visitor.get(url)
        page = await visitor.get(answer.headers["location"])
        to_provider = await visitor.decide(page)
        back = await idp.sign_in(visitor.http, to_provider.headers["location"], "alice")
        return str((await visitor.get(back)).headers["location"])

    async with python_client(door.mcp, REDIRECT, browser) as client:
        greeted = await client.call_tool("greet", {"name": "Alice"})
        assert "Hello, Alice" in text_of(greeted)
    (grant,) = await door.house.store.grants.list_live()
    assert (grant.identity.issuer, grant.identity.subject) == (idp.issuer, "alice")
    assert grant.identity.email == "alice@example.com"


@pytest.mark.parametrize("header", ["X-API-Key: {}", "Authorization: Bearer {}"])
async def test_the_python_client_with_an_api_key(development: Door, header: str) -> None:
    """As docs/api-keys.md has it: a header, and no sign-in."""
    _, key = await make_key(development)
    name, _, value = header.format(key).partition(": ")
    async with (
        httpx2.AsyncClient(headers={name: value}, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(development.mcp, http_client=http)) as client,
    ):
        assert {tool.name for tool in (await client.list_tools()).tools} >= TOOLS


# --- stepping up: a tool needs more than the sign-in gave -----------------------------------------------------------


def stepping_up(door: Door, asked: list[set[str]]) -> Callable[[str], Awaitable[str]]:
    """The same somebody, who notes which scopes they are asked for."""
    browser = developer(door)

    async def notes(url: str) -> str:
        scopes = parse_qs(urlsplit(url).query)["scope"][0].split()
        asked.append(set(scopes) - {"offline_access"})
        return await browser(url)

    return notes


@pytest.fixture
async def careful(tmp_path: Path, demo_url: str) -> AsyncIterator[Door]:
    """The sample server behind scopes by tool."""
    scopes = {"default": ["read"], "tools": {"greet": ["greet"]}}
    async with open_door(tmp_path, demo_url, upstreams=[{"name": "main", "url": demo_url, "scopes": scopes}]) as door:
        yield door


async def test_the_typescript_client_steps_up(careful: Door) -> None:
    asked: list[set[str]] = []
    browser = stepping_up(careful, asked)
    async with typescript_client(careful.mcp, REDIRECT) as client:
        url = (await client.ask("connect"))["authorize"]
        assert (await client.ask("finish", callback=await browser(url)))["connected"]
        assert set((await client.ask("list"))["tools"]) == TOOLS
        url = (await client.ask("call", name="greet", arguments={"name": "Ada"}))["authorize"]
        assert (await client.ask("finish", callback=await browser(url)))["connected"]
        assert "Ada" in str((await client.ask("call", name="greet", arguments={"name": "Ada"}))["result"])
    assert asked == [{"read"}, {"read", "greet"}]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_python_client_steps_up(careful: Door, mode: str) -> None:
    asked: list[set[str]] = []
    browser = stepping_up(careful, asked)
    async with python_client(careful.mcp, REDIRECT, browser, storage=TokensInMemory(), mode=mode) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        assert "Ada" in text_of(await client.call_tool("greet", {"name": "Ada"}))
    assert asked == [{"read"}, {"read", "greet"}]


async def test_what_a_client_may_not_call_it_does_not_see(tmp_path: Path, demo_url: str) -> None:
    """`hide_denied`, with a real client and a real server, in documents and in events."""
    scopes = {"default": ["read"], "tools": {"greet": ["greet"], "plan_*": ["greet"]}}
    upstreams = [{"name": "main", "url": demo_url, "scopes": scopes, "hide_denied": True}]
    async with open_door(tmp_path, demo_url, upstreams=upstreams) as door:
        for mode in ("auto", "legacy"):
            async with python_client(
                door.mcp, REDIRECT, developer(door), storage=TokensInMemory(), mode=mode
            ) as client:
                assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS - {"greet", "plan_trip"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("kind", PROXIES)
async def test_the_python_client_before_somebodys_own_proxy(
    kind: str, mode: str, tmp_path: Path, demo_url: str
) -> None:
    """Challenge, discovery, sign-in and calls; the calls are relayed by the proxy, and never pass us."""
    storage, port = TokensInMemory(), int(urlsplit(demo_url).port or 0)
    async with site_behind(kind, tmp_path, backend_port=port) as site:
        browser = developer(site.public)
        async with python_client(site.mcp, REDIRECT, browser, storage=storage, mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            reported: list[float] = []

            async def report(progress: float, total: float | None, message: str | None) -> None:
                reported.append(progress)

            await client.call_tool("count_down", {"seconds": 1}, progress_callback=report)
            assert reported == [0, 1]
            arrived = (await client.call_tool("what_arrived", {})).structured_content
            assert storage.tokens is not None
            assert storage.tokens.access_token not in str(arrived)
            assert "development:ada" in str(arrived)
            site.inner.clock.advance(601)
            first = storage.tokens.access_token
            await client.call_tool("greet", {"name": "Ada"})
            assert storage.tokens.access_token != first
