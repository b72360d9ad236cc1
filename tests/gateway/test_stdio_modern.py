"""A command behind the gateway in the era of 2026-07-28: a streamable HTTP server like any other."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import Door
from tests.support.stdio import asked, messages_of, modern, odd_door, sign_in_as, text_of, tool
from tests.support.wire import Wire


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with odd_door(tmp_path) as running:
        yield running


@pytest.fixture
async def token(door: Door) -> str:
    return (await sign_in_as(door, "ada")).access_token


@pytest.mark.parametrize("rpc_id", [1, 0, -7, "1", "", "a\u2028b", 2**60])
async def test_an_answer_has_the_id_of_its_request(door: Door, token: str, rpc_id: Any) -> None:
    answer = await tool(door, token, "echo", rpc_id=rpc_id, word="a\u2028b\u0085c")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == rpc_id
    assert text_of(answer)["word"] == "a\u2028b\u0085c"


async def test_a_message_may_have_line_breaks_between_its_members(door: Door, token: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": _meta()}}
    answer = await door.call(token, content=json.dumps(body, indent=2).replace("\n", "\r\n").encode())
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["tools"]


def _meta() -> dict[str, Any]:
    from tests.support.stdio import META

    return META


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Mcp-Method": "tools/call"}, 400, -32020),
        ({"MCP-Protocol-Version": "2026-07-29"}, 400, -32020),
        ({}, 404, -32601),
    ],
    ids=["method", "version", "unknown"],
)
async def test_what_is_wrong_has_its_status_and_code(
    door: Door, token: str, headers: dict[str, str], status: int, code: int
) -> None:
    answer = await modern(door, token, "no/such", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["id"] == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{", -32700), (b"[]", -32600), (b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', -32602)],
    ids=["no JSON", "a batch", "no envelope"],
)
async def test_what_is_no_request_does_not_reach_the_server(door: Door, token: str, body: bytes, code: int) -> None:
    answer = await door.call(token, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert door.house.gateway.pools["main"].size == 0


@pytest.mark.parametrize(
    ("sent", "argument", "status"),
    [
        ("north", "north", 200),
        ("=?base64?bm9ydGg=?=", "north", 200),
        ("south", "north", 400),
        (None, "north", 400),
        ("north", None, 400),
    ],
)
async def test_a_parameter_that_a_tool_declares_as_header_agrees_with_it(
    door: Door, token: str, sent: str | None, argument: str | None, status: int
) -> None:
    arguments = {"region": argument} if argument else {}
    headers = {"Mcp-Param-Region": sent} if sent else {}
    answer = await modern(door, token, "tools/call", {"name": "echo", "arguments": arguments}, headers=headers)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == -32020


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_post_alone(door: Door, token: str, method: str) -> None:
    answer = await door.call(token, method=method)
    assert answer.status_code == 405


async def test_progress_comes_under_the_token_of_the_caller_and_logs_to_who_asked(door: Door, token: str) -> None:
    meta = {"progressToken": "my/token", "io.modelcontextprotocol/logLevel": "info"}
    answer = await modern(door, token, "tools/call", {"name": "chatty"}, meta=meta)
    assert answer.headers["content-type"] == "text/event-stream"
    told = messages_of(answer)
    assert [one["params"]["progressToken"] for one in told if one.get("method") == "notifications/progress"] == [
        "my/token"
    ] * 3
    assert [one["method"] for one in told if "method" in one].count("notifications/message") == 3
    assert told[-1]["id"] == 1

    silent = await modern(door, token, "tools/call", {"name": "chatty"})
    assert silent.headers["content-type"] == "application/json"


async def test_a_client_that_leaves_has_its_request_cancelled_within_a_second(door: Door, token: str) -> None:
    leaving = asyncio.create_task(tool(door, token, "never"))
    await asked(door)
    leaving.cancel()
    async with asyncio.timeout(1 + 5):  # the machine's own time beside
        while not (cancelled := text_of(await tool(door, token, "seen"))["cancelled"]):
            await asyncio.sleep(0.02)
    assert len(cancelled) == 1


async def test_a_thousand_calls_that_are_cancelled_leave_nothing_behind(door: Door, token: str) -> None:
    await tool(door, token, "echo")
    server = next(iter(door.house.gateway.pools["main"]._fleet._servers))  # type: ignore[attr-defined]
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "never", "_meta": _meta()}}
    ).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: {door.url[7:]}\r\nAuthorization: Bearer {token}\r\n"
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: never\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    for _ in range(20):
        wires = [Wire(door.url) for _ in range(50)]
        for wire in wires:
            await wire.__aenter__()
            await wire.send(head + body)
        while len(server.waiting) < 50:
            await asyncio.sleep(0.01)
        for wire in wires:
            await wire.__aexit__(None, None, None)
        while server.waiting:
            await asyncio.sleep(0.01)
    assert len(text_of(await tool(door, token, "seen"))["cancelled"]) == 1000
    assert server.waiting == {}
    assert door.house.gateway.exchanges == set()


async def test_answers_nobody_asked_for_reach_nobody(door: Door, token: str) -> None:
    for name in ("wrong", "twice", "garbage"):
        answer = await tool(door, token, name, word=name)
        assert answer.status_code == 200
        assert text_of(answer)["word"] == name
    assert text_of(await tool(door, token, "echo", word="after"))["word"] == "after"


async def test_a_reader_that_pauses_misses_nothing(door: Door, token: str) -> None:
    """Its own server waits for it; the kernel's buffers and one megabyte of ours are all that is kept meanwhile."""
    meta = {**_meta(), "progressToken": 1}
    params = {"name": "chatty", "arguments": {"times": 60_000}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: {door.url[7:]}\r\nAuthorization: Bearer {token}\r\n"
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: chatty\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    async with Wire(door.url) as wire:
        await wire.send(head + body)
        await wire.until(b"notifications/progress")
        await asyncio.sleep(1.0)
        answer = await wire.rest(60)
    assert answer.data.count(b"notifications/progress") == 59_999
    assert b'"result"' in answer.data[-2000:]
    server = next(iter(door.house.gateway.pools["main"]._fleet._servers))  # type: ignore[attr-defined]
    assert server._paused_by == set()


async def test_a_principal_has_one_server_and_another_has_another(door: Door, token: str) -> None:
    other = (await sign_in_as(door, "grace")).access_token
    pids = [text_of(await tool(door, one, "echo"))["pid"] for one in (token, other, token)]
    assert pids[0] == pids[2] != pids[1]


async def test_tools_that_a_caller_may_not_call_are_hidden_here_too(tmp_path: Path) -> None:
    scopes = {"default": ["mcp"], "tools": {"exit": ["mcp.more"]}}
    async with odd_door(tmp_path, scopes=scopes, hide_denied=True) as door:
        token = (await sign_in_as(door, "ada")).access_token
        listed = (await modern(door, token, "tools/list")).json()["result"]
        assert "echo" in [one["name"] for one in listed["tools"]]
        assert "exit" not in [one["name"] for one in listed["tools"]]
        assert (await tool(door, token, "exit")).status_code == 403
