"""Pages that call MCP from a browser: those of allowed origins can, and read what we answer; others cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.parts.chromium import chromium
from tests.support.house import Door, open_door
from vestibule.gateway.cors import allowed_headers
from vestibule.testing.recording_upstream import RecordingUpstream, json_answer

PAGE = "https://app.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,mcp-param-city"}


@pytest.fixture
async def page_door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url, origins=[PAGE]) as running:
        yield running


@pytest.mark.parametrize("path", ["/mcp", "/main/mcp"])
async def test_a_page_of_an_allowed_origin_may_ask(page_door: Door, upstream: RecordingUpstream, path: str) -> None:
    answer = await page_door.http.request("OPTIONS", page_door.url + path, headers={"Origin": PAGE, **PREFLIGHT})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "POST, GET, DELETE"
    allowed = set(answer.headers["access-control-allow-headers"].split(", "))
    assert {"authorization", "dpop", "x-api-key", "mcp-protocol-version", "mcp-param-city"} <= allowed
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers
    assert not upstream.requests


async def test_the_connection_goes_on_after_a_preflight(page_door: Door) -> None:
    for _ in range(2):
        answer = await page_door.http.request("OPTIONS", page_door.mcp, headers={"Origin": PAGE, **PREFLIGHT})
        assert "connection" not in answer.headers
    assert not page_door.house.gateway.exchanges


async def test_a_page_of_another_origin_is_told_nothing(page_door: Door) -> None:
    for method in ("OPTIONS", "POST", "GET"):
        headers = {"Origin": "https://evil.example", **PREFLIGHT}
        answer = await page_door.http.request(method, page_door.mcp, headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", [{}, {"Origin": PAGE}, PREFLIGHT], ids=["bare", "no-method", "no-origin"])
async def test_options_that_is_no_preflight_is_no_method_here(page_door: Door, headers: dict[str, str]) -> None:
    answer = await page_door.http.request("OPTIONS", page_door.mcp, headers=headers)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST, GET, DELETE"


async def test_a_page_reads_the_challenge(page_door: Door) -> None:
    answer = await page_door.call(None, headers={"Origin": PAGE})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"


async def test_a_page_reads_the_answer_and_the_upstreams_own_cors_does_not_count(
    page_door: Door, upstream: RecordingUpstream
) -> None:
    theirs = ("Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true")
    upstream.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {}}, headers=theirs)
    token = (await page_door.sign_in()).access_token
    answer = await page_door.call(token, headers={"Origin": PAGE})
    assert answer.status_code == 200
    assert answer.headers.get_list("access-control-allow-origin") == [PAGE]
    assert "access-control-allow-credentials" not in answer.headers


async def test_whoever_is_no_page_is_told_nothing_of_it(page_door: Door) -> None:
    answer = await page_door.call((await page_door.sign_in()).access_token)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_only_what_would_pass_is_allowed() -> None:
    allowed = allowed_headers(b"Mcp-Param-X, cookie, x-forwarded-for, mcp_session_id, mcp-a\x01b, Traceparent")
    names = allowed.decode().split(", ")
    assert "mcp-param-x" in names
    assert not {"cookie", "x-forwarded-for", "mcp_session_id"} & set(names)
    assert names.count("traceparent") == 1


@asynccontextmanager
async def a_web_site() -> AsyncIterator[str]:
    """An origin with an empty page."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


CALL = """async ([url, token]) => {
    const headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                     "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list", "Mcp-Param-City": "Oslo"}
    if (token) headers.Authorization = `Bearer ${token}`
    try {
        const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
        const answer = await fetch(url, {method: "POST", headers, body})
        return {status: answer.status, challenge: answer.headers.get("www-authenticate"), text: await answer.text()}
    } catch (error) { return {failed: String(error)} }
}"""


@pytest.mark.slow
async def test_chromium_lets_the_page_of_an_allowed_origin_in(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with (
        a_web_site() as ours,
        a_web_site() as theirs,
        open_door(tmp_path, upstream.url, origins=[ours]) as door,
        chromium() as browser,
    ):
        token = (await door.sign_in()).access_token
        page = await (await browser.new_context()).new_page()
        await page.goto(ours)
        refused = await page.evaluate(CALL, [door.mcp, ""])
        assert refused["status"] == 401
        assert "resource_metadata=" in refused["challenge"]
        answered = await page.evaluate(CALL, [door.mcp, token])
        assert answered["status"] == 200
        assert '"result"' in answered["text"]
        assert upstream.requests[-1].header("mcp-param-city") == "Oslo"

        sent = len(upstream.requests)
        await page.goto(theirs)
        assert "failed" in await page.evaluate(CALL, [door.mcp, token])
        assert len(upstream.requests) == sent
