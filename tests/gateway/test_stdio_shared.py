"""One command for all people of a tenant: they use the same ids, and none of them meets another."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import Door, open_door
from tests.support.stdio import LegacyClient, asked, messages_of, modern, odd, odd_door, sign_in_as, text_of, tool
from tests.support.tenants import ADA, ADELE, BOB, ENVIRON, TENANTS, come_in


async def two(door: Door) -> tuple[str, str]:
    return (await sign_in_as(door, "ada")).access_token, (await sign_in_as(door, "grace")).access_token


async def test_sessions_of_a_tenant_share_a_server_and_answers_find_their_way(tmp_path: Path) -> None:
    async with odd_door(tmp_path, instances="shared") as door:
        clients = [await LegacyClient(door, token).open() for token in await two(door)]
        answers = await asyncio.gather(
            *(client.tool("echo", rpc_id=1, who=number) for _ in range(20) for number, client in enumerate(clients))
        )
        said = [text_of(answer) for answer in answers]
        assert [one["who"] for one in said] == [0, 1] * 20
        assert len({one["pid"] for one in said}) == 1
        assert {answer.json()["id"] for answer in answers} == {1}


async def test_the_handshake_is_made_once_and_without_capabilities(tmp_path: Path) -> None:
    async with odd_door(tmp_path, instances="shared") as door:
        clients = [await LegacyClient(door, token, version="2025-06-18").open() for token in await two(door)]
        for client in clients:
            assert client.opened["id"] == "init"
            assert client.opened["result"]["protocolVersion"] == "2025-06-18"
            assert client.opened["result"]["capabilities"] == {"tools": {}, "resources": {}}
        seen = text_of(await clients[0].tool("seen"))["seen"]
        assert seen == ["initialize", "notifications/initialized", "tools/call"]


async def test_a_server_that_asks_back_is_told_that_it_cannot(tmp_path: Path) -> None:
    async with odd_door(tmp_path, instances="shared") as door:
        client = await LegacyClient(door, (await two(door))[0]).open()
        assert text_of(await client.tool("ask"))["error"]["code"] == -32601


async def test_logs_are_for_nobody_and_progress_for_who_asked(tmp_path: Path) -> None:
    async with odd_door(tmp_path, instances="shared") as door:
        client = await LegacyClient(door, (await two(door))[0]).open()
        told = messages_of(await client.tool("chatty", meta={"progressToken": "p"}))
        assert [one.get("method", "")[14:] for one in told] == ["progress"] * 3 + [""]
        assert messages_of(await client.post("logging/setLevel", {"level": "info"}))[0]["error"]["code"] == -32601
        assert messages_of(await client.post("tasks/list"))[0]["error"]["code"] == -32601


async def test_an_update_goes_to_who_subscribed_and_a_change_to_all(tmp_path: Path) -> None:
    async with odd_door(tmp_path, instances="shared") as door:
        first, second = [await LegacyClient(door, token).open() for token in await two(door)]
        assert (await first.post("resources/subscribe", {"uri": "test://a"})).status_code == 200
        await second.tool("change")
        assert await kept(door, first) == ["tools/list_changed", "resources/updated"]
        assert await kept(door, second) == ["tools/list_changed"]


async def kept(door: Door, client: LegacyClient) -> list[str]:
    """What waits on a session's GET stream."""
    found: list[str] = []
    async with door.http.stream("GET", door.mcp, headers=client.headers()) as answer:
        try:
            async with asyncio.timeout(1.5):
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        found.append(json.loads(line[6:])["method"].removeprefix("notifications/"))
        except TimeoutError:
            pass
    return found


async def test_one_session_cannot_cancel_what_another_asked(tmp_path: Path) -> None:
    async with odd_door(tmp_path, instances="shared") as door:
        first, second = [await LegacyClient(door, token).open() for token in await two(door)]
        waiting = asyncio.create_task(first.tool("never", rpc_id=1))
        await asked(door)
        await second.post("notifications/cancelled", {"requestId": 1}, rpc_id=None)
        assert text_of(await second.tool("seen"))["cancelled"] == []
        waiting.cancel()


SECOND_WORDS = [
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"ID":1}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"RequestId":1}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"ProgressToken":1}}}',
]


@pytest.mark.parametrize("content", SECOND_WORDS)
async def test_no_second_word_names_what_another_asked(tmp_path: Path, content: str) -> None:
    """A server in Go reads `ID` as `id`: its answer would be that to somebody else's request."""
    async with odd_door(tmp_path, instances="shared") as door:
        client = await LegacyClient(door, (await two(door))[0]).open()
        answer = await door.http.post(door.mcp, headers=client.headers(), content=content)
        assert answer.status_code == 400


async def test_a_listening_client_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    async with odd_door(tmp_path, instances="shared") as door:
        slow, quick = await two(door)
        meta = {"progressToken": 1}
        arguments = {"name": "chatty", "arguments": {"times": 200_000}}
        reader = asyncio.create_task(_unread(door, slow, arguments, meta))
        async with asyncio.timeout(40):
            assert (await tool(door, quick, "echo", word="w")).status_code == 200
        reader.cancel()


async def _unread(door: Door, token: str, params: dict[str, Any], meta: dict[str, Any]) -> None:
    from tests.support.stdio import META

    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {**params, "_meta": {**META, **meta}}}
    headers = {
        "Authorization": f"Bearer {token}",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "chatty",
        "Accept": "application/json, text/event-stream",
    }
    async with door.http.stream("POST", door.mcp, headers=headers, content=json.dumps(body).encode()):
        await asyncio.sleep(60)


@pytest.mark.parametrize("instances", ["shared", "per-principal"])
async def test_two_tenants_never_share_a_process(tmp_path: Path, instances: str) -> None:
    async with open_door(tmp_path, "", environ=ENVIRON, upstreams=[odd(instances=instances)], **TENANTS) as door:
        people = [(await come_in(door, login)).access_token for login in (ADA, ADELE, BOB)]
        ada, adele, bob = [text_of(await tool(door, token, "echo"))["pid"] for token in people]
        assert bob not in (ada, adele)
        assert (ada == adele) == (instances == "shared")
        old = [text_of(await (await LegacyClient(door, token).open()).tool("echo"))["pid"] for token in people]
        assert old[2] not in old[:2]
        assert not {ada, adele, bob} & set(old)


async def test_a_subscription_is_told_under_the_id_that_its_client_gave(tmp_path: Path) -> None:
    """The SDK's server, which tags what it tells with the id that it was asked under: ours."""
    import sys

    command = [sys.executable, "-m", "tests.parts.fixture_server", "--stdio"]
    upstream = {"name": "main", "command": command, "instances": "shared"}
    async with open_door(tmp_path, "", upstreams=[upstream]) as door:
        first, second = await two(door)
        told: dict[str, list[object]] = {first: [], second: []}
        listeners = [asyncio.create_task(_subscribe(door, token, told[token])) for token in told]
        async with asyncio.timeout(20):
            while not all(told.values()):
                await asyncio.sleep(0.05)
        await modern(door, first, "tools/call", {"name": "test_trigger_tool_change"})
        async with asyncio.timeout(5):
            while not all(len(one) == 2 for one in told.values()):
                await asyncio.sleep(0.05)
        for listener in listeners:
            listener.cancel()
        acknowledged = ("notifications/subscriptions/acknowledged", "one")
        assert list(told.values()) == [[acknowledged, ("notifications/tools/list_changed", "one")]] * 2


async def _subscribe(door: Door, token: str, told: list[object]) -> None:
    from tests.support.stdio import META

    params = {"_meta": META, "notifications": {"toolsListChanged": True}}
    body = {"jsonrpc": "2.0", "id": "one", "method": "subscriptions/listen", "params": params}
    headers = {
        "Authorization": f"Bearer {token}",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "subscriptions/listen",
        "Accept": "application/json, text/event-stream",
    }
    async with door.http.stream("POST", door.mcp, headers=headers, content=json.dumps(body).encode()) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                message = json.loads(line[6:])
                name = message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"]
                told.append((message["method"], name))
