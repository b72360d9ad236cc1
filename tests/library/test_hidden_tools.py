"""With `hide_denied`, lists show what the caller may call, by the decision that a call would meet."""

import json
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.library.conftest import Issuer, served
from tests.library.test_callers import Bearer
from tests.library.test_scopes_of_tools import Server, fast_server, sdk_server
from vestibule import protect, require_scopes
from vestibule.web.protect_lists import ListFilter

ALL = {"close_ticket", "drop_all", "rename-ticket", "look"}


@pytest.mark.parametrize("server", [sdk_server, fast_server], ids=["sdk", "fastmcp"])
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(
    ("scopes", "hide", "tools", "prompts"),
    [
        ("tickets.read", True, {"look"}, set()),
        ("tickets.read tickets.write", True, {"look", "close_ticket"}, {"summarize"}),
        ("tickets.read", False, ALL, {"summarize"}),
    ],
)
async def test_a_client_sees_what_it_may_call(
    server: Server, mode: Any, scopes: str, hide: bool, tools: set[str], prompts: set[str], issuer: Issuer, port: int
) -> None:
    app, _, functions = server()
    resource = f"http://127.0.0.1:{port}/mcp"
    protected = protect(
        app, resource=resource, issuers=[issuer.issuer], scopes=["tickets.read"], tools=functions, hide_denied=hide
    )
    auth = Bearer(issuer.access_token(scopes, aud=resource))
    async with (
        served(protected, port),
        httpx2.AsyncClient(auth=auth, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(resource, http_client=http), mode=mode) as client,
    ):
        assert {tool.name for tool in (await client.list_tools()).tools} == tools
        assert {prompt.name for prompt in (await client.list_prompts()).prompts} == prompts


async def filtered(content_type: bytes, pieces: list[bytes]) -> tuple[dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    shown = ListFilter(send, "tools", lambda name: name != "secret")
    headers = [(b"content-type", content_type), (b"content-length", b"9999")]
    await shown.send({"type": "http.response.start", "status": 200, "headers": headers})
    for number, piece in enumerate(pieces, 1):
        await shown.send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})
    body = b"".join(message.get("body", b"") for message in sent)
    return dict(sent[0]["headers"]), body


LIST = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {"tools": [{"name": "a", "x": "é"}, {"name": "secret"}], "cacheScope": "p"},
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_list_in_one_piece_is_filtered_and_nobody_elses(size: int) -> None:
    text = json.dumps(LIST).encode()
    headers, body = await filtered(b"application/json", [text[at : at + size] for at in range(0, len(text), size)])
    assert json.loads(body)["result"] == {"tools": [{"name": "a", "x": "é"}], "cacheScope": "private"}
    assert headers[b"content-length"] == str(len(body)).encode()


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("line", [b"\n", b"\r\n"])
async def test_a_list_in_a_stream_is_filtered_and_other_events_pass(size: int, line: bytes) -> None:
    events = [b": ping", b"event: message" + line + b"id: 7" + line + b"data: " + json.dumps(LIST).encode(), b"data: x"]
    text = b"".join(event + line + line for event in events)
    _, body = await filtered(b"text/event-stream", [text[at : at + size] for at in range(0, len(text), size)])
    assert b"secret" not in body
    assert b"id: 7\ndata: {" in body
    assert body.startswith(b": ping\n\n")
    assert body.endswith(b"data: x\n\n")


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"error": {}}', b'{"result": {"tools": "secret"}}'])
async def test_what_is_no_list_passes_as_it_came(body: bytes) -> None:
    assert (await filtered(b"application/json", [body]))[1] == body


async def test_what_is_hidden_is_not_shown_to_who_resumes(issuer: Issuer, port: int) -> None:
    """A legacy client takes up a lost answer with GET and Last-Event-ID."""

    @require_scopes("boss", tool="fire")
    def fire() -> None: ...

    async def endpoint(request: Any) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "fire"}, {"name": "look"}]}}
        return StreamingResponse(iter([f"data: {json.dumps(message)}\n\n".encode()]), media_type="text/event-stream")

    resource = f"http://127.0.0.1:{port}/mcp"
    door = protect(
        Starlette(routes=[Route("/mcp", endpoint, methods=["GET", "POST"])]),
        resource=resource,
        issuers=[issuer.issuer],
        tools=[fire],
        hide_denied=True,
    )
    headers = {"Authorization": f"Bearer {issuer.access_token(aud=resource)}", "Last-Event-ID": "1"}
    async with served(door, port) as url, httpx2.AsyncClient(trust_env=False) as http:
        assert "fire" not in (await http.get(f"{url}/mcp", headers=headers)).text
