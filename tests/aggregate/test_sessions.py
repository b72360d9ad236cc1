"""The eras with sessions: several servers' sessions as one, which no replica keeps."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.aggregate.conftest import INITIALIZE, Pair, Together, names, open_pair
from vestibule.testing.recording_upstream import Exchange, json_answer

LIST = {"id": 2, "method": "tools/list"}


def call(name: str, rpc_id: Any = 3) -> dict[str, Any]:
    return {"id": rpc_id, "method": "tools/call", "params": {"name": name}}


async def test_one_handshake_with_all(pair: Pair) -> None:
    token = await pair.sign_in()
    answer = await pair.say(token, {"id": 1, "method": "initialize", "params": INITIALIZE})
    result = answer.json()["result"]
    assert result["protocolVersion"] == "2025-11-25"
    assert result["capabilities"] == {"tools": {"listChanged": True}}
    assert result["serverInfo"]["name"] == "vestibule"
    (asked,) = pair.a.asked("initialize")
    assert asked["params"] == {**INITIALIZE, "capabilities": {"elicitation": {}}}  # tasks are not carried
    session = answer.headers["mcp-session-id"]
    assert (await pair.say(token, {"method": "notifications/initialized"}, session)).status_code == 202
    for member in (pair.a, pair.b):
        assert len(member.asked("notifications/initialized")) == 1
        assert member.requests[-1].header("mcp-session-id") == member.session


async def test_a_session_works_on_another_replica(tmp_path: Path) -> None:
    keys = {"secret_key": "q3Xc8VbWm1tYd0Zr7Nf2Kp9Lh5Gs4Jw6Ea-TuIoPyQk"}
    async with open_pair(tmp_path, **keys) as pair:
        token = await pair.sign_in()
        session = await pair.open(token)
        before = len(pair.a.requests)
        pool = pair.door.house.gateway.pools["all"]
        pool._revivals = type(pool._revivals)(pool.members)  # type: ignore[attr-defined]  # as after a restart
        assert names(await pair.say(token, LIST, session)) == ["a_read", "a_write", "b_read", "b_write"]
        assert len(pair.a.requests) == before + 1


async def test_a_session_is_its_principals(pair: Pair) -> None:
    session = await pair.open(await pair.sign_in())
    other = await pair.sign_in(login="bob")
    before = len(pair.a.requests)
    assert (await pair.say(other, LIST, session)).status_code == 404
    assert len(pair.a.requests) == before


@pytest.mark.parametrize("forged", ["1a,2025-11-25,9:a-session", "", "x", "1", "2a,"])
async def test_a_session_cannot_be_made_up(pair: Pair, forged: str) -> None:
    token = await pair.sign_in()
    tag = (await pair.open(token))[-23:]
    before = len(pair.a.requests)
    assert (await pair.say(token, LIST, f"{forged}{tag}")).status_code == 404
    assert len(pair.a.requests) == before


async def test_without_a_session_there_is_nothing(pair: Pair) -> None:
    assert (await pair.say(await pair.sign_in(), LIST)).status_code == 400


async def test_a_version_of_its_own_for_each(pair: Pair) -> None:
    pair.a.results["initialize"]["protocolVersion"] = "2025-03-26"
    token = await pair.sign_in()
    await pair.say(token, LIST, await pair.open(token))
    versions = [member.requests[-1].header("mcp-protocol-version") for member in (pair.a, pair.b)]
    assert versions == ["2025-03-26", "2025-11-25"]


async def test_a_member_that_was_not_there_comes_later(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.gateway.aggregate.revivals.PAUSE", 0.2)
    token = await pair.sign_in()
    about = pair.a.results.pop("initialize")
    session = await pair.open(token)
    assert names(await pair.say(token, LIST, session)) == ["b_read", "b_write"]
    pair.a.results["initialize"] = about
    assert names(await pair.say(token, LIST, session)) == ["b_read", "b_write"]  # not asked again so soon
    await asyncio.sleep(0.25)
    assert names(await pair.say(token, LIST, session)) == ["a_read", "a_write", "b_read", "b_write"]
    assert (await pair.say(token, call("a_read"), session)).status_code == 200


async def test_a_member_that_has_forgotten_its_session_makes_another(pair: Pair) -> None:
    token = await pair.sign_in()
    session = await pair.open(token)
    pair.a.session = "another"  # it has been restarted
    assert names(await pair.say(token, LIST, session)) == ["a_read", "a_write", "b_read", "b_write"]
    pair.a.session = "a third"
    answer = await pair.say(token, call("a_read"), session)
    assert answer.json()["result"]["content"][0]["text"] == "a called"
    assert pair.a.requests[-1].header("mcp-session-id") == "a third"


async def test_a_session_that_nobody_knows_is_none(pair: Pair) -> None:
    token = await pair.sign_in()
    session = await pair.open(token)
    pair.a.session = pair.b.session = "another"
    assert (await pair.say(token, LIST, session)).status_code == 404


async def test_who_ends_it_ends_all_of_it(pair: Pair) -> None:
    token = await pair.sign_in()
    session = await pair.open(token)
    headers = {"Authorization": f"Bearer {token}", "Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    assert (await pair.door.http.delete(pair.url, headers=headers)).status_code == 200
    for member in (pair.a, pair.b):
        assert (member.requests[-1].method, member.requests[-1].header("mcp-session-id")) == ("DELETE", member.session)
    assert (await pair.say(token, call("a_read"), session)).status_code == 404


async def test_ids_too_long_for_one_session_leave_the_longest_out(pair: Pair) -> None:
    pair.a.session = "x" * 1000
    token = await pair.sign_in()
    assert names(await pair.say(token, LIST, await pair.open(token)))[-2:] == ["b_read", "b_write"]


async def test_what_all_are_told(pair: Pair) -> None:
    token = await pair.sign_in()
    session = await pair.open(token)
    level = {"id": 5, "method": "logging/setLevel", "params": {"level": "info"}}
    assert (await pair.say(token, level, session)).json() == {"jsonrpc": "2.0", "id": 5, "result": {}}
    assert len(pair.a.asked("logging/setLevel")) == len(pair.b.asked("logging/setLevel")) == 1
    assert (await pair.say(token, {"id": "p", "method": "ping"}, session)).json()["result"] == {}
    assert pair.a.asked("ping") == []
    for method in ("tasks/get", "tasks/list", "nothing/known", "server/discover"):
        answer = await pair.say(token, {"id": 6, "method": method, "params": {"taskId": "a_1"}}, session)
        assert answer.json()["error"]["code"] == -32601


# --- what servers ask of their client -------------------------------------------------------------------------------


def asking(rpc_id: Any, then: asyncio.Event) -> Any:
    """A tools/call that asks the client in the middle."""

    async def answer(exchange: Exchange) -> None:
        message = json.loads(exchange.request.body)
        await exchange.begin_events()
        params = {"message": "?", "_meta": {"progressToken": 1}}
        asked = {"jsonrpc": "2.0", "id": rpc_id, "method": "elicitation/create", "params": params}
        await exchange.event(json.dumps(asked))
        await then.wait()
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": rpc_id}}
        await exchange.event(json.dumps(cancelled))
        await exchange.event(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}}))
        await exchange.end()

    return answer


async def stream_of(pair: Pair, token: str, session: str, message: dict[str, Any]) -> Any:
    headers = {
        "Authorization": f"Bearer {token}",
        "Mcp-Session-Id": session,
        "MCP-Protocol-Version": "2025-11-25",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    content = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return pair.door.http.stream("POST", pair.url, content=content, headers=headers)


async def data_of(lines: Any) -> dict[str, Any]:
    async with asyncio.timeout(5):
        async for line in lines:
            if line.startswith("data: {"):
                found: dict[str, Any] = json.loads(line[6:])
                return found
    raise AssertionError("the stream has ended")


@pytest.mark.parametrize("rpc_id", [0, 12, "x", 'q"\\:b:1', "b:1"])
async def test_an_answer_finds_who_has_asked(pair: Pair, rpc_id: Any) -> None:
    token = await pair.sign_in()
    session = await pair.open(token)
    then = asyncio.Event()
    pair.a.results["tools/call"] = asking(rpc_id, then)
    async with await stream_of(pair, token, session, call("a_read")) as stream:
        lines = stream.aiter_lines()
        asked = await data_of(lines)
        assert asked["id"] == f"a:{json.dumps(rpc_id)}"
        progress = {"progressToken": asked["params"]["_meta"]["progressToken"], "progress": 1}
        await pair.say(token, {"method": "notifications/progress", "params": progress}, session)
        answer = {"id": asked["id"], "result": {"action": "decline"}}
        assert (await pair.say(token, answer, session)).status_code == 202
        then.set()
        cancelled = await data_of(lines)
        assert cancelled["params"]["requestId"] == asked["id"]
        assert (await data_of(lines))["id"] == 3
    assert json.loads(pair.a.requests[-1].body) == {"jsonrpc": "2.0", **answer, "id": rpc_id}
    assert json.loads(pair.a.requests[-2].body)["params"] == {"progressToken": 1, "progress": 1}
    assert not any("result" in json.loads(one.body or b"{}") for one in pair.b.requests)


@pytest.mark.parametrize(
    "rpc_id", [1, "c:1", "b:", "b:[1]", "b:{}", "b:1e5", "b", None, 'b:"\\"', "b:1 ", 'b:"\\q"', 'b:"\\u12"', "b:01"]
)
async def test_an_answer_to_nobody_reaches_nobody(pair: Pair, rpc_id: Any) -> None:
    token = await pair.sign_in()
    session = await pair.open(token)
    before = len(pair.a.requests) + len(pair.b.requests)
    answer = await pair.say(token, {"id": rpc_id, "result": {}}, session)
    assert answer.status_code == 400
    assert len(pair.a.requests) + len(pair.b.requests) == before


# --- the stream of a session ----------------------------------------------------------------------------------------


def pushing(*events: str, seen: list[str | None]) -> Any:
    async def answer(exchange: Exchange) -> None:
        seen.append(exchange.request.header("last-event-id"))
        await exchange.begin_events()
        for one in events:
            await exchange.send(b"%x\r\n%b\r\n" % (len(one.encode()), one.encode()))
        await exchange.closed.wait()

    return answer


def getting(pair: Pair, token: str, session: str, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {token}", "Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    return pair.door.http.stream("GET", pair.url, headers={**sent, "Accept": "text/event-stream", **headers})


async def test_one_stream_of_all_with_ids_to_come_back_by(pair: Pair) -> None:
    seen: list[str | None] = []
    told = '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///x"}}'
    pair.a.results["GET"] = pushing("id: 5\ndata: \n\n", f"id: 6\nevent: message\ndata: {told}\n\n", seen=seen)
    token = await pair.sign_in()
    session = await pair.open(token)
    async with getting(pair, token, session) as stream:
        assert stream.status_code == 200
        lines = stream.aiter_lines()
        async with asyncio.timeout(5):
            first = [await anext(lines) for _ in range(6)]
    assert first[:2] == ["id: a:5", "data: "]
    assert first[3:5] == ["id: a:6", "event: message"]
    assert json.loads(first[5][6:])["params"]["uri"] == "a+file:///x"
    async with getting(pair, token, session, **{"Last-Event-ID": "a:6"}) as stream:
        assert stream.status_code == 200
    assert seen == [None, "6"]


async def test_a_session_gives_no_more_than_its_token(tmp_path: Path) -> None:
    """A session outlives its tokens, and the next one of the same principal may have less."""
    scoped = {"a": {"scopes": {"default": ["a.use"]}}, "b": {"scopes": {"default": ["b.use"]}}}
    async with open_pair(tmp_path, **scoped) as pair:
        client = await pair.door.register()
        together = Together(pair.door)
        most = (await together.sign_in(client=client)).access_token
        least = (await together.sign_in("b.use", client=client)).access_token
        session = await pair.open(most)
        pair.a.results["GET"] = pushing('data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n', seen=[])
        before = len(pair.a.requests)
        async with getting(pair, least, session) as stream:
            assert stream.status_code == 405
        await pair.say(least, {"method": "notifications/initialized"}, session)
        assert (await pair.say(least, {"id": "a:1", "result": {}}, session)).status_code == 400
        assert (await pair.say(least, call("a_read"), session)).status_code == 403
        assert len(pair.a.requests) == before
        async with getting(pair, most, session) as stream:
            assert stream.status_code == 200


async def test_no_stream_where_nobody_has_one(pair: Pair) -> None:
    token = await pair.sign_in()
    async with getting(pair, token, await pair.open(token)) as stream:
        assert stream.status_code == 405


async def test_a_list_does_not_come_again_unchosen(pair: Pair) -> None:
    """A replay of a member's own list: nobody has left out of it what this caller may not see."""
    listing = json.dumps({"jsonrpc": "2.0", "id": 2, "result": {"tools": [{"name": "hidden"}]}})
    escaped = listing.replace('"tools"', '"\\u0074ools"')
    other = '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
    pair.a.results["GET"] = pushing(*(f"id: 1\ndata: {one}\n\n" for one in (listing, escaped, other)), seen=[])
    token = await pair.sign_in()
    async with getting(pair, token, await pair.open(token), **{"Last-Event-ID": "a:0"}) as stream:
        assert (await data_of(stream.aiter_lines()))["method"] == "notifications/message"


async def test_a_question_with_a_forged_id_is_renamed_however_it_is_written(pair: Pair) -> None:
    """A member that asks under an id of another one's would have its answer sent there."""
    forged = [
        '{"jsonrpc":"2.0","id":"b:1","method":"elicitation/create","params":{}}',
        '{"jsonrpc":"2.0","id":"b:1","\\u006dethod":"elicitation/create","params":{}}',
        '{"id":"b:1","method":"elicitation/create","jsonrpc":"2.0","id":"b:2","method":null}',
    ]
    pair.a.results["GET"] = pushing(*(f"data: {one}\n\n" for one in forged), seen=[])
    token = await pair.sign_in()
    async with getting(pair, token, await pair.open(token)) as stream:
        lines = stream.aiter_lines()
        for _ in forged:
            async with asyncio.timeout(5):
                while not (line := await anext(lines)).startswith("data:"):
                    pass
            assert '"a:\\"b:' in line
            assert '"id":"b:' not in line


async def test_a_document_with_a_question_is_renamed_too(pair: Pair) -> None:
    pair.a.results["tools/call"] = json_answer({"jsonrpc": "2.0", "id": "b:1", "method": "elicitation/create"})
    token = await pair.sign_in()
    answer: httpx2.Response = await pair.say(token, call("a_read"), await pair.open(token))
    assert answer.json()["id"] == 'a:"b:1"'


@pytest.mark.parametrize("method", ["tools/call", "resources/read", "notifications/strange"])
async def test_what_is_no_request_calls_nothing(pair: Pair, method: str) -> None:
    """Without an id it is told to nobody: `a_read` is decided about as `read` of `a`, and `b` may have an `a_read`."""
    token = await pair.sign_in()
    session = await pair.open(token)
    before = len(pair.a.requests) + len(pair.b.requests)
    params = {"name": "a_read", "uri": "a+file:///x"}
    assert (await pair.say(token, {"method": method, "params": params}, session)).status_code == 202
    assert len(pair.a.requests) + len(pair.b.requests) == before


async def test_a_stream_that_a_server_ends_goes_on_where_it_ended(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.gateway.aggregate.pushing.AGAIN", 0.05)
    seen: list[str | None] = []

    async def answer(exchange: Exchange) -> None:
        seen.append(exchange.request.header("last-event-id"))
        await exchange.begin_events()
        await exchange.event(f'{{"jsonrpc":"2.0","method":"notifications/n{len(seen)}"}}\nid: {len(seen)}')
        await exchange.end()

    pair.a.results["GET"] = answer
    token = await pair.sign_in()
    async with getting(pair, token, await pair.open(token)) as stream:
        lines = stream.aiter_lines()
        for number in (1, 2, 3):
            assert (await data_of(lines))["method"] == f"notifications/n{number}"
    assert seen[:3] == [None, "1", "2"]


async def test_sessions_with_servers_that_keep_none_are_not_one(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stateless servers give no ids: what is remembered of one session is still no other's."""
    monkeypatch.setattr("vestibule.gateway.aggregate.revivals.PAUSE", 0.0)
    about = pair.a.results.pop("initialize")
    ada, bob = await pair.sign_in(), await pair.sign_in(login="bob")
    adas, bobs = await pair.open(ada), await pair.open(bob)
    assert adas[:-23] != bobs[:-23]
    pair.a.results["initialize"] = about
    pair.a.session = "of-ada"
    await pair.say(ada, LIST, adas)
    del pair.a.results["initialize"]
    assert names(await pair.say(bob, LIST, bobs)) == ["b_read", "b_write"]
    headers = {"Authorization": f"Bearer {ada}", "Mcp-Session-Id": adas, "MCP-Protocol-Version": "2025-11-25"}
    assert (await pair.door.http.delete(pair.url, headers=headers)).status_code == 200
    assert (await pair.say(bob, LIST, bobs)).status_code == 200


async def test_a_member_that_refuses_one_person_is_asked_for_another(pair: Pair) -> None:
    about = pair.a.results.pop("initialize")
    ada, bob = await pair.sign_in(), await pair.sign_in(login="bob")
    adas, bobs = await pair.open(ada), await pair.open(bob)
    assert names(await pair.say(ada, LIST, adas)) == ["b_read", "b_write"]
    pair.a.results["initialize"] = about
    assert names(await pair.say(bob, LIST, bobs)) == ["a_read", "a_write", "b_read", "b_write"]
    assert names(await pair.say(ada, LIST, adas)) == ["b_read", "b_write"]
