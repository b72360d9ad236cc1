"""What a client keeps for us, and what it makes up."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.aggregate.conftest import Pair, names, open_pair, tool
from vestibule.testing.recording_upstream import Exchange, json_answer


def paged(pages: dict[str, tuple[list[str], str]]) -> Any:
    """A listing in pages: by cursor, the tools and the next cursor."""

    async def answer(exchange: Exchange) -> None:
        import json

        message = json.loads(exchange.request.body)
        tools, more = pages[message["params"].get("cursor", "")]
        result = {"tools": [tool(one) for one in tools], **({"nextCursor": more} if more else {})}
        await json_answer({"jsonrpc": "2.0", "id": message["id"], "result": result})(exchange)

    return answer


async def test_pages_of_all_until_nobody_has_more(pair: Pair) -> None:
    pair.a.results["tools/list"] = paged({"": (["1", "2"], "x"), "x": (["3"], "y"), "y": (["4"], "")})
    pair.b.results["tools/list"] = paged({"": (["1"], "x"), "x": (["2"], "")})
    token = await pair.sign_in()
    found, cursor = [], None
    while True:
        answer = await pair.ask(token, "tools/list", {"cursor": cursor} if cursor else {})
        found.append(names(answer))
        cursor = answer.json()["result"].get("nextCursor")
        if cursor is None:
            break
        assert "x" not in cursor or b"nextCursor" not in base64.urlsafe_b64decode(cursor + "==")
    assert found == [["a_1", "a_2", "b_1"], ["a_3", "b_2"], ["a_4"]]


async def test_a_cursor_is_its_callers_own_and_for_its_list(pair: Pair) -> None:
    pair.a.results["tools/list"] = paged({"": (["1"], "x"), "x": (["2"], "")})
    ada, bob = await pair.sign_in(), await pair.sign_in(login="bob")
    cursor = (await pair.ask(ada, "tools/list")).json()["result"]["nextCursor"]
    before = len(pair.a.requests)
    made_up = ["x", "", "=", "é", cursor[:-2], cursor + "AA", "A" * 70_000, f"{cursor[:20]}B{cursor[21:]}"]
    for who, method, one in [(bob, "tools/list", cursor), (ada, "prompts/list", cursor)] + [
        (ada, "tools/list", one) for one in made_up if one != cursor
    ]:
        answer = await pair.ask(who, method, {"cursor": one})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == -32602
    assert (await pair.ask(ada, "tools/list", {"cursor": cursor})).status_code == 200
    assert len(pair.a.requests) == before + 1


async def test_a_cursor_no_longer_opens_what_a_caller_may_no_longer_use(pair: Pair) -> None:
    """What may be listed is decided for each page."""
    pair.a.results["tools/list"] = paged({"": (["1"], "x"), "x": (["2"], "")})
    token = await pair.sign_in()
    cursor = (await pair.ask(token, "tools/list")).json()["result"]["nextCursor"]
    page = await pair.ask(token, "tools/list", {"cursor": cursor})
    assert names(page) == ["a_2"]


STATE = {"resultType": "input_required", "inputRequests": {}, "requestState": "the state of a"}


async def test_the_state_of_a_call_goes_back_to_whom_it_is_of(pair: Pair) -> None:
    pair.a.results["tools/call"] = STATE
    ada, bob = await pair.sign_in(), await pair.sign_in(login="bob")
    state = (await pair.ask(ada, "tools/call", {"name": "a_read"})).json()["result"]["requestState"]
    for who, name, shown in (
        (ada, "b_read", state),
        (bob, "a_read", state),
        (ada, "a_read", "the state of a"),
        (ada, "a_read", f"{state}x"),
        (ada, "a_read", ""),
        (ada, "a_read", 5),
        (ada, "a_read", None),
    ):
        answer = await pair.ask(who, "tools/call", {"name": name, "requestState": shown})
        assert answer.json()["error"]["code"] == -32602
    assert pair.b.requests == []
    assert len(pair.a.requests) == 1
    await pair.ask(ada, "tools/call", {"name": "a_read", "requestState": state})
    assert pair.a.asked("tools/call")[-1]["params"]["requestState"] == "the state of a"


async def test_only_the_versions_and_methods_that_are_carried(pair: Pair) -> None:
    token = await pair.sign_in()
    for method in ("tasks/get", "tasks/cancel", "initialize", "resources/subscribe", "nothing/known"):
        params = {"taskId": "a_1", "uri": "a+file:///x"}
        answer = await pair.ask(token, method, params, **{"Mcp-Name": "a_1"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)
    later = {"MCP-Protocol-Version": "2027-01-01"}
    from tests.aggregate import conftest

    meta = {**conftest.META, "io.modelcontextprotocol/protocolVersion": "2027-01-01"}
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"_meta": meta}}
    answer = await pair._send(token, message, {**later, "Mcp-Method": "tools/list"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32022)
    assert answer.json()["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2027-01-01"}
    assert pair.a.requests == []


@pytest.mark.parametrize("where", ["tools/call", "prompts/get", "resources/read"])
async def test_keys_of_another_method_rename_nothing(pair: Pair, where: str) -> None:
    """A name beside a URI, a reference beside a name: what is decided about is what is renamed."""
    token = await pair.sign_in()
    params: dict[str, Any] = {"name": "a_read", "uri": "a+file:///x", "ref": {"type": "ref/prompt", "name": "b_x"}}
    await pair.ask(token, where, params)
    key = "uri" if where == "resources/read" else "name"
    sent = pair.a.asked(where)[0]["params"]
    assert sent[key] == {"name": "read", "uri": "file:///x"}[key]
    assert {other: sent[other] for other in params if other != key} == {
        other: value for other, value in params.items() if other != key
    }
    assert pair.b.requests == []


async def test_what_is_said_is_merged_and_no_more_than_is_carried(pair: Pair) -> None:
    pair.a.results["server/discover"] = {
        "capabilities": {"tools": {"listChanged": True}, "tasks": {}, "extensions": {"x/y": {}}, "experimental": {}},
        "supportedVersions": ["2026-07-28", "2027-01-01"],
        "ttlMs": 1000,
        "cacheScope": "public",
        "instructions": "Say a.",
    }
    pair.b.results["server/discover"] = {"capabilities": {"resources": {"subscribe": True}, "tools": {}}, "ttlMs": 500}
    result = (await pair.ask(await pair.sign_in(), "server/discover")).json()["result"]
    assert result["capabilities"] == {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
    assert (result["supportedVersions"], result["ttlMs"], result["cacheScope"]) == (["2026-07-28"], 500, "private")
    assert result["instructions"] == "# a\nIts tools and prompts begin with `a_`.\n\nSay a."


async def test_another_separator(tmp_path: Path) -> None:
    async with open_pair(tmp_path, aggregate={"enabled": True, "separator": "__", "members": ["b", "a"]}) as pair:
        token = await pair.sign_in()
        assert names(await pair.ask(token, "tools/list")) == ["b__read", "b__write", "a__read", "a__write"]
        assert (await pair.ask(token, "tools/call", {"name": "a__read"})).status_code == 200


async def test_a_notification_of_this_era_is_taken_and_dropped(pair: Pair) -> None:
    token = await pair.sign_in()
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "notifications/cancelled"}
    answer = await pair._send(token, {"jsonrpc": "2.0", "method": "notifications/cancelled"}, headers)
    assert answer.status_code == 202
    assert pair.a.requests == []


async def test_an_answer_is_of_a_kind_that_the_client_takes(pair: Pair) -> None:
    """What is passed on as it is made is asked for as the client asks; what is put together, as we can read it."""
    token = await pair.sign_in()
    await pair.ask(token, "tools/call", {"name": "a_read"}, Accept="application/json")
    await pair.ask(token, "tools/list", {}, Accept="application/json")
    assert [one.header("accept") for one in pair.a.requests] == [
        "application/json",
        "application/json, text/event-stream",
    ]


async def test_a_cursor_too_long_to_be_kept_is_told_of(pair: Pair) -> None:
    pair.a.results["tools/list"] = paged({"": (["1"], "x" * 3000)})
    answer = await pair.ask(await pair.sign_in(), "tools/list")
    assert "nextCursor" not in answer.json()["result"]
    assert pair.door.house.gateway.snapshot()["absences"] == {"a": 1}
