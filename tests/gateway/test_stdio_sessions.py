"""A command behind the gateway in the eras with a handshake: sessions as a streamable HTTP server has them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import Door
from tests.support.stdio import LegacyClient, asked, messages_of, odd_door, sign_in_as, text_of


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with odd_door(tmp_path) as running:
        yield running


@pytest.fixture
async def client(door: Door) -> LegacyClient:
    return await LegacyClient(door, (await sign_in_as(door, "ada")).access_token).open()


@asynccontextmanager
async def listening(client: LegacyClient) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The GET stream of a session, as the messages that come on it."""
    async with client.door.http.stream("GET", client.door.mcp, headers=client.headers()) as answer:
        assert answer.status_code == 200

        async def messages() -> AsyncIterator[dict[str, Any]]:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

        yield messages()


async def next_of(messages: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    async with asyncio.timeout(5):
        return await anext(messages)


async def test_each_session_has_a_server_of_its_own(door: Door, client: LegacyClient) -> None:
    other = await LegacyClient(door, client.token).open()
    pids = [text_of(await one.tool("echo"))["pid"] for one in (client, other, client)]
    assert pids[0] == pids[2] != pids[1]
    assert client.opened["id"] == "init"


async def test_a_session_that_is_ended_is_gone_with_its_server(door: Door, client: LegacyClient) -> None:
    ended = await door.http.delete(door.mcp, headers=client.headers())
    assert ended.status_code == 204
    assert (await client.tool("echo")).status_code == 404
    pool = door.house.gateway.pools["main"]
    async with asyncio.timeout(5):
        while pool.size:
            await asyncio.sleep(0.02)


async def test_without_a_session_there_is_only_initialize(door: Door, client: LegacyClient) -> None:
    client.session = ""
    assert (await client.tool("echo")).status_code == 400
    assert (await door.http.get(door.mcp, headers=client.headers())).status_code == 400


async def test_a_batch_is_refused(door: Door, client: LegacyClient) -> None:
    content = b"[" + client.body("ping") + b"]"
    answer = await door.http.post(door.mcp, headers=client.headers(), content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


async def test_progress_and_logs_come_before_the_answer_as_events(client: LegacyClient) -> None:
    answer = await client.tool("chatty", rpc_id="c", meta={"progressToken": 1})
    told = messages_of(answer)
    assert [one.get("method", "")[14:] for one in told] == ["progress", "message"] * 3 + [""]
    assert {one["params"]["progressToken"] for one in told if one.get("method") == "notifications/progress"} == {1}
    assert told[-1]["id"] == "c"


async def test_an_answer_that_comes_first_is_a_document(client: LegacyClient) -> None:
    answer = await client.tool("echo", rpc_id="e", word="w")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == "e"


async def test_a_server_asks_its_client_and_is_answered(door: Door, client: LegacyClient) -> None:
    content = client.body("tools/call", {"name": "ask"}, 7)
    async with door.http.stream("POST", door.mcp, headers=client.headers(), content=content) as answer:
        lines = (json.loads(line[6:]) async for line in answer.aiter_lines() if line.startswith("data: "))
        question = await next_of(lines)
        assert (question["id"], question["method"]) == ("q-1", "elicitation/create")
        for rpc_id in ("unknown", "q-1", "q-1"):
            reply = {"jsonrpc": "2.0", "id": rpc_id, "result": {"action": "accept"}}
            taken = await door.http.post(door.mcp, headers=client.headers(), content=json.dumps(reply).encode())
            assert (taken.status_code, taken.content) == (202, b"")
        assert text_of(await next_of(lines))["id"] == "q-1"
    assert text_of(await client.tool("seen"))["seen"].count("") == 0  # the forged and the second reply went nowhere


async def test_what_the_server_tells_by_itself_comes_on_the_get_stream(client: LegacyClient) -> None:
    async with listening(client) as messages:
        assert (await client.tool("change")).headers["content-type"] == "application/json"
        assert (await next_of(messages))["method"] == "notifications/tools/list_changed"
        assert (await next_of(messages))["method"] == "notifications/resources/updated"


async def test_there_is_one_get_stream_at_a_time(door: Door, client: LegacyClient) -> None:
    async with listening(client):
        assert (await door.http.get(door.mcp, headers=client.headers())).status_code == 409
    async with asyncio.timeout(5):
        while True:
            try:
                async with listening(client):
                    return
            except AssertionError:
                await asyncio.sleep(0.02)


async def test_a_client_that_leaves_cancels_nothing(door: Door, client: LegacyClient) -> None:
    leaving = asyncio.create_task(client.tool("never"))
    await asked(door)
    leaving.cancel()
    assert text_of(await client.tool("seen"))["cancelled"] == []


async def test_a_cancellation_names_the_request_as_the_server_knows_it(door: Door, client: LegacyClient) -> None:
    waiting = asyncio.create_task(client.tool("never", rpc_id="mine"))
    await asked(door)
    for named in ("another's", 3, "mine"):
        assert (await client.post("notifications/cancelled", {"requestId": named}, rpc_id=None)).status_code == 202
    seen = text_of(await client.tool("seen"))
    assert len(seen["cancelled"]) == 1
    assert isinstance(seen["cancelled"][0], int)
    answer = await asyncio.wait_for(waiting, 10)
    assert answer.json()["error"]["message"] == "The request was cancelled."


async def test_a_session_of_somebody_else_is_unknown(door: Door, client: LegacyClient) -> None:
    stranger = LegacyClient(door, (await sign_in_as(door, "grace")).access_token, client.session)
    assert (await stranger.tool("echo")).status_code == 404


async def test_ten_sessions_of_one_person_are_enough_and_the_oldest_goes(door: Door, client: LegacyClient) -> None:
    others = [await LegacyClient(door, client.token).open() for _ in range(10)]
    assert (await client.tool("echo")).status_code == 404
    assert (await others[0].tool("echo")).status_code == 200


async def test_what_a_server_does_not_read_is_not_heaped_up(door: Door, client: LegacyClient) -> None:
    """A notification waits for no answer, so nothing else would end how many there are."""
    busy = asyncio.create_task(client.tool("slow", rpc_id=1, seconds=20))
    await asked(door)
    padding = {"_meta": {"padding": "x" * 1_000_000}}
    told = [(await client.post("notifications/roots/list_changed", padding, rpc_id=None)).status_code for _ in range(8)]
    answer = await client.post("notifications/cancelled", {"requestId": 1, **padding}, rpc_id=None)
    assert (told[0], told[-1], answer.status_code) == (202, 502, 502)
    busy.cancel()
