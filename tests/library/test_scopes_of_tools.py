"""What a tool needs is asked for before it runs, by a challenge that a client can step up by."""

import functools
import json
from collections.abc import Callable
from typing import Any

import anyio
import httpx2
import pytest
from fastmcp import FastMCP
from mcp.client.client import Client
from mcp.server.mcpserver import MCPServer
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY

from tests.library.conftest import RESOURCE, Issuer, bearer, in_process
from vestibule import InsufficientScope, MissingAuthorization, current_principal, protect, require_scopes
from vestibule.resource_server.needs import ToolNeeds

ran: list[str] = []


def sdk_server() -> Any:
    mcp = MCPServer("Tickets")

    @mcp.tool()
    @require_scopes("tickets.write")
    async def close_ticket(number: int, reason: str = "done") -> str:
        """Close a ticket."""
        ran.append("close_ticket")
        return f"{current_principal().subject} closed {number}: {reason}"

    @require_scopes("tickets.admin")
    @mcp.tool()
    def drop_all() -> str:
        """The decorator stands above the framework's: `protect` knows it all the same."""
        ran.append("drop_all")
        return "gone"

    @mcp.tool(name="rename-ticket")
    @require_scopes("tickets.write", "tickets.names", tool="rename-ticket")
    def rename(number: int) -> str:
        """A tool with a name of its own."""
        return "renamed"

    @mcp.prompt()
    @require_scopes("tickets.write")
    def summarize() -> str:
        """A prompt."""
        return "Summarize."

    @mcp.tool()
    def look() -> str:
        return current_principal().subject

    return mcp.streamable_http_app(), mcp, [close_ticket, drop_all, rename, summarize]


def fast_server() -> Any:
    mcp: FastMCP[Any] = FastMCP("Tickets")

    @mcp.tool
    @require_scopes("tickets.write")
    async def close_ticket(number: int, reason: str = "done") -> str:
        """Close a ticket."""
        ran.append("close_ticket")
        return f"{current_principal().subject} closed {number}: {reason}"

    @require_scopes("tickets.admin")
    @mcp.tool
    def drop_all() -> str:
        """The decorator stands above the framework's: `protect` knows it all the same."""
        ran.append("drop_all")
        return "gone"

    @mcp.tool(name="rename-ticket")
    @require_scopes("tickets.write", "tickets.names", tool="rename-ticket")
    def rename(number: int) -> str:
        """A tool with a name of its own."""
        return "renamed"

    @mcp.prompt
    @require_scopes("tickets.write")
    def summarize() -> str:
        """A prompt."""
        return "Summarize."

    @mcp.tool
    def look() -> str:
        return current_principal().subject

    return mcp.http_app(), mcp, [close_ticket, drop_all, rename, summarize]


Server = Callable[[], Any]


@pytest.fixture(params=[sdk_server, fast_server], ids=["sdk", "fastmcp"])
def server(request: pytest.FixtureRequest) -> Server:
    ran.clear()
    return request.param  # type: ignore[no-any-return]


def guarded(server: Server, issuer: Issuer) -> Any:
    app, _, tools = server()
    return protect(app, resource=RESOURCE, issuers=[issuer.issuer], scopes=["tickets.read"], tools=tools)


def modern(name: str, *, method: str = "tools/call", **arguments: Any) -> dict[str, Any]:
    """A request of the modern era, for `httpx2`."""
    meta = {PROTOCOL_VERSION_META_KEY: "2026-07-28", CLIENT_CAPABILITIES_META_KEY: {}}
    params = {"name": name, "arguments": arguments, "_meta": meta}
    return {
        "content": json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}),
        "headers": {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": method,
            "Mcp-Name": name,
        },
    }


async def call(http: httpx2.AsyncClient, token: str, request: dict[str, Any]) -> httpx2.Response:
    return await http.post("/mcp", content=request["content"], headers={**request["headers"], **bearer(token)})


def scope_of(answer: httpx2.Response) -> str:
    assert answer.status_code == 403, answer.text
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    return str(challenge.partition('scope="')[2].partition('"')[0])


async def test_a_tool_asks_for_all_its_scopes_before_it_runs(server: Server, issuer: Issuer) -> None:
    async with in_process(guarded(server, issuer)) as http:
        refused = await call(http, issuer.access_token("tickets.read"), modern("close_ticket", number=1))
        assert scope_of(refused) == "tickets.read tickets.write"
        assert refused.json()["id"] == 7
        assert refused.json()["error"]["data"]["error_code"] == "INSUFFICIENT_SCOPE"
        assert scope_of(await call(http, issuer.access_token(""), modern("close_ticket", number=1))) == (
            "tickets.read tickets.write"
        )
        assert ran == []
        allowed = await call(http, issuer.access_token("tickets.write tickets.read"), modern("close_ticket", number=1))
        assert "ada closed 1: done" in allowed.text
        assert ran == ["close_ticket"]


async def test_either_order_of_decorators_and_any_name(server: Server, issuer: Issuer) -> None:
    async with in_process(guarded(server, issuer)) as http:
        token = issuer.access_token("tickets.read")
        assert scope_of(await call(http, token, modern("drop_all"))) == "tickets.read tickets.admin"
        assert scope_of(await call(http, token, modern("rename-ticket", number=1))) == (
            "tickets.read tickets.write tickets.names"
        )
        prompt = modern("summarize", method="prompts/get")
        assert scope_of(await call(http, token, prompt)) == "tickets.read tickets.write"
        assert "ada" in (await call(http, token, modern("look"))).text
    assert ran == []


async def test_a_legacy_request_is_read_by_its_body(server: Server, issuer: Issuer) -> None:
    request = modern("close_ticket", number=1)
    message = json.loads(request["content"])
    del message["params"]["_meta"]
    request["content"] = json.dumps(message)
    for name in ("MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"):
        del request["headers"][name]
    async with in_process(guarded(server, issuer)) as http:
        assert scope_of(await call(http, issuer.access_token(), request)) == "tickets.read tickets.write"


@pytest.mark.parametrize(
    ("header", "value"), [("Mcp-Name", "look"), ("Mcp-Name", None), ("Mcp-Method", "tools/list"), ("Mcp-Method", None)]
)
async def test_headers_and_body_must_agree(server: Server, issuer: Issuer, header: str, value: str | None) -> None:
    request = modern("close_ticket", number=1)
    del request["headers"][header]
    if value is not None:
        request["headers"][header] = value
    async with in_process(guarded(server, issuer)) as http:
        answer = await call(http, issuer.access_token("tickets.read tickets.write"), request)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32020
    assert ran == []


@pytest.mark.parametrize(
    "tamper",
    [
        lambda body: body.replace('"name": "close_ticket"', '"name": "look", "name": "close_ticket"'),
        lambda body: body.replace('"name": "close_ticket"', '"name": "close_ticket", "name": "look"'),
        lambda body: body.replace('"params"', '"params": {"name": "look"}, "params"'),
        lambda body: body.replace('"name": ', '"Name": '),
        lambda body: f"[{body}]",
        lambda body: "\ufeff" + body,
    ],
    ids=range(6),
)
async def test_a_body_with_two_readings_calls_nothing(
    server: Server, issuer: Issuer, tamper: Callable[[str], str]
) -> None:
    request = modern("close_ticket", number=1)
    for name in ("MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"):
        del request["headers"][name]
    request["content"] = tamper(request["content"])
    async with in_process(guarded(server, issuer)) as http:
        assert (await call(http, issuer.access_token("tickets.read"), request)).status_code == 400
        assert (await http.post("/mcp", content=request["content"], headers=request["headers"])).status_code == 401
    assert ran == []


async def test_without_a_caller_a_tool_is_an_error_that_says_so(server: Server) -> None:
    """Another transport, in memory: nobody has signed in there."""
    _, mcp, _ = server()
    with anyio.fail_after(10):
        if isinstance(mcp, MCPServer):
            async with Client(mcp) as client:
                result = await client.call_tool("close_ticket", {"number": 1})
                assert result.is_error
                assert "Nobody is signed in" in str(result.content)
        else:
            from fastmcp import Client as FastClient

            async with FastClient(mcp) as fast:
                answer = await fast.call_tool("close_ticket", {"number": 1}, raise_on_error=False)
                assert answer.is_error
                assert "Nobody is signed in" in str(answer.content)
    assert ran == []


async def test_signature_schema_and_description_stay(server: Server) -> None:
    _, mcp, _ = server()
    if isinstance(mcp, MCPServer):
        (tool,) = [tool for tool in await mcp.list_tools() if tool.name == "close_ticket"]
        schema = tool.input_schema
    else:
        fast = await mcp.get_tool("close_ticket")
        tool, schema = fast, fast.parameters
    assert tool.description == "Close a ticket."
    assert set(schema["properties"]) == {"number", "reason"}
    assert schema["required"] == ["number"]


async def test_a_plain_function_refuses_a_call_without_a_caller() -> None:
    @require_scopes("a")
    def sync() -> str:
        return "done"

    @require_scopes("a")
    async def later() -> str:
        return "done"

    with pytest.raises(MissingAuthorization):
        sync()
    with pytest.raises(MissingAuthorization):
        await later()


async def test_a_nested_call_is_refused_with_all_that_the_operation_needs(issuer: Issuer) -> None:
    @require_scopes("inner")
    def inner() -> str:
        return "done"

    seen: list[tuple[str, ...]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        try:
            inner()
        except InsufficientScope as refused:
            seen.append(refused.scopes)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"caught"})

    door = protect(app, resource=RESOURCE, issuers=[issuer.issuer], scopes=["base"], mcp_paths=["/elsewhere"])
    async with in_process(door) as http:
        answer = await http.post("/mcp", headers=bearer(issuer.access_token("base")))
    assert (answer.status_code, answer.text) == (200, "caught")  # what the application handles is its own
    assert seen == [("base", "inner")]


def test_two_decorators_need_both() -> None:
    @require_scopes("b")
    @require_scopes("a")
    def both() -> None: ...

    needs = ToolNeeds([both])
    from vestibule.model import Operation

    assert set(needs.of(Operation("tools/call", "both"))) == {"a", "b"}
    assert needs.of(Operation("tools/list")) == ()


@pytest.mark.parametrize("scopes", [(), ("",), ("a b",), ("a", "a"), ("ä",), ('"',)])
def test_scopes_that_are_none_are_refused_at_once(scopes: tuple[str, ...]) -> None:
    with pytest.raises(Exception, match="scope"):
        require_scopes(*scopes)


def test_only_functions_are_decorated() -> None:
    with pytest.raises(TypeError):
        require_scopes("a")(object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="tool="):
        require_scopes("a")(functools.partial(print, "x"))


async def test_an_endpoint_below_the_resource_is_the_endpoint_too(issuer: Issuer) -> None:
    """A server that is mounted has its own path below; what its tools need holds there as well."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    inner, _, tools = sdk_server()
    app = Starlette(routes=[Mount("/mcp", inner)], lifespan=inner.router.lifespan_context)
    door = protect(app, resource=RESOURCE, issuers=[issuer.issuer], scopes=["tickets.read"], tools=tools)
    request = modern("drop_all")
    async with in_process(door) as http:
        for path in ("/mcp/mcp", "/mcp/mcp/", "/mcp//mcp"):
            answer = await http.post(
                path, content=request["content"], headers={**request["headers"], **bearer(issuer.access_token())}
            )
            assert scope_of(answer) == "tickets.read tickets.admin", path
