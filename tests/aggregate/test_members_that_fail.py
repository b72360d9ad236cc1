"""One member that is broken, slow or hostile hides its own, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.aggregate.conftest import Pair, names, open_pair, tool
from tests.support.wire import Wire
from vestibule.testing.recording_upstream import Exchange, json_answer, raw_answer

B_ONLY = ["b_read", "b_write"]


async def never(exchange: Exchange) -> None:
    await exchange.closed.wait()


async def halfway(exchange: Exchange) -> None:
    await exchange.begin_events()
    await exchange.event('{"jsonrpc":"2.0","method":"notifications/message","params":{}}')
    await exchange.closed.wait()


async def endless(exchange: Exchange) -> None:
    await exchange.begin_events()
    piece = b"data: " + b"x" * 65536
    while not exchange.closed.is_set():
        await exchange.send(b"%x\r\n%b\r\n" % (len(piece), piece))


BROKEN: dict[str, Any] = {
    "silent": never,
    "begun": halfway,
    "endless": endless,
    "garbage": raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{{{"),
    "no http": raw_answer(b"220 smtp ready\r\n", close=True),
    "half": raw_answer(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"jsonrpc"', close=True),
    "compressed": json_answer({"result": {"tools": []}}, headers=("Content-Encoding: gzip",)),
    "redirect": raw_answer(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
    "refused": json_answer({}, status=401),
    "failed": json_answer({"jsonrpc": "2.0", "id": 7, "error": {"code": -32603, "message": "oops"}}, status=500),
    "no object": json_answer([1]),
    "no list": json_answer({"jsonrpc": "2.0", "id": 7, "result": {"tools": {"a": 1}}}),
    "two answers": json_answer({"jsonrpc": "2.0", "id": 7, "result": "x", "error": {"code": []}}),
    "deep": raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 200030\r\n\r\n" + b'{"result":' + b"[" * 200019 + b"}"),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_member_that_is_broken_hides_its_own(pair: Pair, how: str, era: str) -> None:
    pair.a.results["tools/list"] = BROKEN[how]
    token = await pair.sign_in()
    if era == "modern":
        answer = await pair.ask(token, "tools/list")
        assert answer.json()["result"]["ttlMs"] == 0  # nobody keeps a list that something is missing from
        assert answer.json()["result"]["cacheScope"] == "private"
    else:
        answer = await pair.say(token, {"id": 7, "method": "tools/list"}, await pair.open(token))
    assert names(answer) == B_ONLY
    assert (await pair.ask(token, "tools/call", {"name": "b_read"})).status_code == 200
    assert set(pair.door.house.gateway.snapshot()["absences"]) == {"a"}


async def test_a_member_that_is_not_there(tmp_path: Path) -> None:
    async with open_pair(tmp_path, a={"url": "http://127.0.0.1:1/mcp"}) as pair:
        token = await pair.sign_in()
        assert names(await pair.ask(token, "tools/list")) == B_ONLY
        assert names(await pair.say(token, {"id": 1, "method": "tools/list"}, await pair.open(token))) == B_ONLY
        assert (await pair.ask(token, "tools/call", {"name": "a_read"})).status_code == 502


async def test_a_slow_member_holds_a_list_for_its_deadline_only(pair: Pair) -> None:
    pair.a.results["tools/list"] = never
    token = await pair.sign_in()
    begun = asyncio.get_running_loop().time()
    assert names(await pair.ask(token, "tools/list")) == B_ONLY
    assert 0.9 < asyncio.get_running_loop().time() - begun < 3
    async with asyncio.timeout(2):
        await pair.a.upstream.disconnected.wait()


async def test_where_all_are_gone_that_is_said(pair: Pair) -> None:
    pair.a.results["tools/list"] = pair.b.results["tools/list"] = BROKEN["garbage"]
    answer = await pair.ask(await pair.sign_in(), "tools/list")
    assert answer.status_code == 502
    assert answer.json()["error"]["data"]["error_code"] == "UPSTREAM_UNAVAILABLE"


async def test_where_all_say_that_a_request_is_wrong_that_is_said(pair: Pair) -> None:
    wrong = json_answer({"jsonrpc": "2.0", "id": 7, "error": {"code": -32602, "message": "no _meta"}}, status=400)
    pair.a.results["tools/list"] = pair.b.results["tools/list"] = wrong
    answer = await pair.ask(await pair.sign_in(), "tools/list")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32602


async def test_the_least_that_one_says_is_how_long_a_list_may_be_kept(pair: Pair) -> None:
    token = await pair.sign_in()
    pair.b.results["tools/list"]["ttlMs"] = 100
    assert (await pair.ask(token, "tools/list")).json()["result"]["ttlMs"] == 100
    del pair.b.results["tools/list"]["ttlMs"]
    assert (await pair.ask(token, "tools/list")).json()["result"]["ttlMs"] == 0


async def test_the_log_hears_once_of_who_is_missing(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.a.results["tools/list"] = BROKEN["failed"]
    token = await pair.sign_in()
    for _ in range(3):
        await pair.ask(token, "tools/list")
    assert capsys.readouterr().out.count("aggregate_member_absent") == 1


async def test_the_log_says_why_there_was_no_handshake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_pair(tmp_path, a={"url": "http://127.0.0.1:1/mcp"}) as pair:
        token = await pair.sign_in()
        await pair.say(token, {"id": 1, "method": "tools/list"}, await pair.open(token))
    assert "no handshake: ConnectionRefusedError" in capsys.readouterr().out


# --- who leaves -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def waiting(pair: Pair) -> AsyncIterator[Callable[..., Any]]:
    """`waiting(method, params)`: a request on a connection that the test may close, once both members have it."""
    token = await pair.sign_in()
    wires: list[Wire] = []

    async def ask(method: str, params: dict[str, Any], name: str = "") -> Wire:
        content = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()
        lines = [f"Mcp-Method: {method}", "MCP-Protocol-Version: 2026-07-28", f"Content-Length: {len(content)}"]
        lines += [f"Mcp-Name: {name}"] if name else []
        wire = await Wire(pair.door.url).__aenter__()
        wires.append(wire)
        head = [f"POST /all/mcp HTTP/1.1\r\nHost: {wire.host}\r\nAuthorization: Bearer {token}", *lines, "", ""]
        await wire.send("\r\n".join(head).encode() + content)
        return wire

    yield ask
    for wire in wires:
        wire.writer.close()


async def test_who_leaves_a_list_leaves_every_member(pair: Pair, waiting: Callable[..., Any]) -> None:
    pair.a.results["tools/list"] = pair.b.results["tools/list"] = never
    wire = await waiting("tools/list", {})
    async with asyncio.timeout(3):
        await asyncio.gather(pair.a.upstream.arrived.wait(), pair.b.upstream.arrived.wait())
    wire.writer.close()
    async with asyncio.timeout(0.9):
        await asyncio.gather(pair.a.upstream.disconnected.wait(), pair.b.upstream.disconnected.wait())


@pytest.mark.parametrize("how", [never, halfway])
async def test_who_leaves_a_call_leaves_its_member(pair: Pair, waiting: Callable[..., Any], how: Any) -> None:
    pair.a.results["tools/call"] = how
    wire = await waiting("tools/call", {"name": "a_read"}, "a_read")
    async with asyncio.timeout(3):
        await pair.a.upstream.arrived.wait()
    wire.writer.close()
    async with asyncio.timeout(1):
        await pair.a.upstream.disconnected.wait()


async def test_who_leaves_a_stream_leaves_every_member(pair: Pair, waiting: Callable[..., Any]) -> None:
    pair.a.results["subscriptions/listen"] = pair.b.results["subscriptions/listen"] = listening(True)
    wire = await waiting("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    await wire.until(b"subscriptions/acknowledged")
    wire.writer.close()
    async with asyncio.timeout(1):
        await asyncio.gather(pair.a.upstream.disconnected.wait(), pair.b.upstream.disconnected.wait())


# --- streams --------------------------------------------------------------------------------------------------------


def listening(acknowledges: bool, *said: dict[str, Any], ends: bool = False) -> Any:
    """A member's stream: it acknowledges everything, says that, and stays."""

    async def answer(exchange: Exchange) -> None:
        message = json.loads(exchange.request.body)
        await exchange.begin_events()
        if acknowledges:
            params = {"notifications": message["params"]["notifications"], "_meta": {ID: message["id"]}}
            ack = {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params}
            await exchange.event(json.dumps(ack))
        for one in said:
            await exchange.event(json.dumps({"jsonrpc": "2.0", **one}))
        if ends:
            await exchange.end()
        else:
            await exchange.closed.wait()

    return answer


ID = "io.modelcontextprotocol/subscriptionId"
CHANGED = {"method": "notifications/tools/list_changed", "params": {"_meta": {ID: "another subscription"}}}
UPDATED = {"method": "notifications/resources/updated", "params": {"uri": "file:///x", "_meta": {ID: 7}}}


async def events(wire: Wire, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        data = (await wire.until(b"\n\n")).decode()
        found += [json.loads(line[6:]) for line in data.split("\n") if line.startswith("data: ")]
    return found


async def test_one_stream_has_one_acknowledgement_and_one_id(pair: Pair, waiting: Callable[..., Any]) -> None:
    strange = {"method": "notifications/strange", "params": {}}
    asks = {"id": 9, "method": "elicitation/create", "params": {}}
    pair.a.results["subscriptions/listen"] = listening(True, strange, asks, CHANGED)
    pair.b.results["subscriptions/listen"] = listening(True, UPDATED)
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["b+file:///x", "c+file:///y", "file:///z"]}
    wire = await waiting("subscriptions/listen", {"notifications": wanted})
    first, *rest = await events(wire, 3)
    assert first["method"] == "notifications/subscriptions/acknowledged"
    honoured = {"toolsListChanged": True, "resourceSubscriptions": ["b+file:///x"]}
    assert first["params"] == {"notifications": honoured, "_meta": {ID: 7}}
    assert sorted(one["method"] for one in rest) == [UPDATED["method"], CHANGED["method"]]
    assert [one["params"]["_meta"] for one in rest] == [{ID: 7}, {ID: 7}]
    assert [one["params"]["uri"] for one in rest if "uri" in one["params"]] == ["b+file:///x"]
    assert pair.a.asked("subscriptions/listen")[0]["params"]["notifications"] == {"toolsListChanged": True}


async def test_a_member_that_does_not_acknowledge_keeps_nobody_waiting(pair: Pair, waiting: Callable[..., Any]) -> None:
    pair.a.results["subscriptions/listen"] = listening(False, CHANGED)
    pair.b.results["subscriptions/listen"] = listening(True, CHANGED)
    wire = await waiting("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    first, second = await events(wire, 2)
    assert (first["method"], second["method"]) == ("notifications/subscriptions/acknowledged", CHANGED["method"])


async def test_a_member_that_comes_back_is_heard_again(
    pair: Pair, waiting: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestibule.gateway.aggregate.listening.FIRST_PAUSE", 0.05)
    pair.a.results["subscriptions/listen"] = listening(True, ends=True)  # no result: it broke off
    pair.b.results["subscriptions/listen"] = listening(True)
    wire = await waiting("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    assert (await events(wire, 1))[0]["method"] == "notifications/subscriptions/acknowledged"
    pair.a.results["subscriptions/listen"] = listening(True, UPDATED)
    found = await events(wire, 2)  # what has changed while nobody listened is not known
    assert [one["method"] for one in found] == [CHANGED["method"], UPDATED["method"]]


async def test_a_stream_that_all_have_ended_is_ended(pair: Pair, waiting: Callable[..., Any]) -> None:
    over = {"id": 7, "result": {"resultType": "complete"}}
    pair.a.results["subscriptions/listen"] = pair.b.results["subscriptions/listen"] = listening(True, over)
    wire = await waiting("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    acknowledged, result = await events(wire, 2)
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert (result["id"], result["result"]["_meta"]) == (7, {ID: 7})


async def test_a_long_answer_passes(pair: Pair) -> None:
    text = "x" * 3_000_000
    pair.a.results["tools/call"] = {"content": [{"type": "text", "text": text}]}
    answer = await pair.ask(await pair.sign_in(), "tools/call", {"name": "a_read"})
    assert answer.json()["result"]["content"][0]["text"] == text


async def test_tools_of_thousands_are_listed_quickly(pair: Pair) -> None:
    pair.a.results["tools/list"] = {"tools": [tool(f"t{number}") for number in range(5000)]}
    assert len(names(await pair.ask(await pair.sign_in(), "tools/list"))) == 5002


@pytest.mark.parametrize("method", ["tools/call", "subscriptions/listen"])
async def test_who_does_not_read_makes_no_member_speak(pair: Pair, waiting: Callable[..., Any], method: str) -> None:
    """Back-pressure from the client's socket to the member's, through what is rewritten and through what is merged."""
    sent = 0
    begin = listening(True)

    async def answer(exchange: Exchange) -> None:
        nonlocal sent
        if method == "subscriptions/listen":
            speaking = asyncio.create_task(begin(exchange))
            await asyncio.sleep(0.1)
        else:
            await exchange.begin_events()
        text = json.dumps({"jsonrpc": "2.0", "method": CHANGED["method"], "params": {"x": "x" * 50_000}})
        while not exchange.closed.is_set():
            await exchange.event(text)
            sent += len(text)
        if method == "subscriptions/listen":
            await speaking

    pair.a.results[method] = answer
    params = {"notifications": {"toolsListChanged": True}} if method == "subscriptions/listen" else {"name": "a_read"}
    wire = await waiting(method, params, "a_read" if method == "tools/call" else "")
    await wire.until(b"\r\n\r\n")
    before = -1
    async with asyncio.timeout(10):
        while sent != before:
            before = sent
            await asyncio.sleep(0.4)
    assert 0 < sent < 30_000_000  # what sockets hold, on both sides of the gateway, and no more


async def test_a_stream_ends_with_its_token(pair: Pair, waiting: Callable[..., Any]) -> None:
    pair.a.results["subscriptions/listen"] = pair.b.results["subscriptions/listen"] = listening(True)
    wire = await waiting("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    await events(wire, 1)
    for exchange in list(pair.door.house.gateway.streams):
        exchange.revoke(0.0)
    async with asyncio.timeout(2):
        await asyncio.gather(pair.a.upstream.disconnected.wait(), pair.b.upstream.disconnected.wait())


async def test_a_page_of_more_than_anybody_reads_is_none(pair: Pair) -> None:
    """To choose from it what a caller may see would stop everybody else meanwhile."""
    pair.a.results["tools/list"] = {"tools": [{"name": f"t{number}"} for number in range(30_000)]}
    assert names(await pair.ask(await pair.sign_in(), "tools/list")) == ["b_read", "b_write"]


async def test_many_tools_without_a_name_are_one_line_in_the_log(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.a.results["tools/list"] = {"tools": [tool(f"no name {number}") for number in range(200)]}
    await pair.ask(await pair.sign_in(), "tools/list")
    assert capsys.readouterr().out.count("aggregate_name_left_out") == 1
