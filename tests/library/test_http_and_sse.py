"""The oldest transport (2024-11-05): a stream, and messages that are posted beside it."""

from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.server.mcpserver import MCPServer

from tests.library.conftest import Issuer, bearer, served
from vestibule import current_principal, protect, require_scopes


def tickets() -> tuple[Any, Any]:
    mcp = MCPServer("Tickets")

    @mcp.tool()
    @require_scopes("tickets.write")
    def close_ticket() -> str:
        return f"closed by {current_principal().subject}"

    @mcp.tool()
    def look() -> str:
        return current_principal().subject

    return mcp.sse_app(), close_ticket


async def test_messages_beside_a_stream_are_read_and_belong_to_its_caller(issuer: Issuer, port: int) -> None:
    app, close_ticket = tickets()
    resource = f"http://127.0.0.1:{port}/sse"
    protected = protect(
        app,
        resource=resource,
        issuers=[issuer.issuer],
        scopes=["tickets.read"],
        tools=[close_ticket],
        mcp_paths=["/messages/"],
    )
    sent: list[httpx2.Response] = []

    async def note(answer: httpx2.Response) -> None:
        sent.append(answer)

    def factory(
        headers: dict[str, str] | None = None, timeout: httpx2.Timeout | None = None, auth: httpx2.Auth | None = None
    ) -> httpx2.AsyncClient:
        hooks = {"response": [note]}
        return httpx2.AsyncClient(trust_env=False, event_hooks=hooks, headers=headers, timeout=timeout, auth=auth)

    headers = bearer(issuer.access_token(aud=resource))
    async with served(protected, port) as url, httpx2.AsyncClient(trust_env=False) as http:
        async with Client(sse_client(resource, headers=headers, httpx_client_factory=factory), mode="legacy") as client:
            assert "ada" in str((await client.call_tool("look", {})).content)
            messages = next(str(answer.url) for answer in sent if "/messages/" in str(answer.url))
            call = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "close_ticket"}}
            refused = await http.post(messages, json=call, headers=headers)
            assert refused.status_code == 403
            assert 'scope="tickets.read tickets.write"' in refused.headers["www-authenticate"]
            listing = {"jsonrpc": "2.0", "id": 10, "method": "tools/list"}
            eve = bearer(issuer.access_token(sub="eve", aud=resource))
            assert (await http.post(messages, json=listing, headers=eve)).status_code in (403, 404)
            assert (await http.post(messages, json=listing)).status_code == 401
        assert (await http.get(f"{url}/sse")).status_code == 401
