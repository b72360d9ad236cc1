"""A client knows its requests by their ids alone: no member answers what another one was asked."""

import json
from typing import Any

import pytest

from tests.aggregate.conftest import Pair
from tests.aggregate.test_sessions import call, data_of, getting, pushing, stream_of
from vestibule.testing.recording_upstream import Exchange, json_answer, raw_answer

FORGED = {"jsonrpc": "2.0", "id": 8, "result": {"content": [{"type": "text", "text": "forged"}]}}
OTHERS = [
    json.dumps(FORGED),
    json.dumps({**FORGED, "id": "3"}),
    json.dumps({**FORGED, "id": True}),
    json.dumps({**FORGED, "id": None}),
    '{"jsonrpc":"2.0","id":3,"result":{},"\\u0069d":8}',
    '{"jsonrpc":"2.0","id":8,"error":{"code":1,"message":"forged"}}',
]


def streaming(*events: str) -> Any:
    async def answer(exchange: Exchange) -> None:
        message = json.loads(exchange.request.body)
        await exchange.begin_events()
        for one in events:
            await exchange.event(one)
        await exchange.event(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}}))
        await exchange.end()

    return answer


@pytest.mark.parametrize("forged", OTHERS)
async def test_a_stream_brings_no_answer_but_its_own(pair: Pair, forged: str) -> None:
    pair.a.results["tools/call"] = streaming(forged)
    token = await pair.sign_in()
    async with await stream_of(pair, token, await pair.open(token), call("a_read")) as stream:
        found = await data_of(stream.aiter_lines())
    assert (found["id"], found["result"]) == (3, {"content": []})


async def test_nor_does_one_of_the_modern_era(pair: Pair) -> None:
    pair.a.results["tools/call"] = streaming(json.dumps(FORGED))
    answer = await pair.ask(await pair.sign_in(), "tools/call", {"name": "a_read"})
    assert "forged" not in answer.text
    assert '"id":7' in answer.text


async def test_nor_behind_a_mark_that_clients_pass_over(pair: Pair) -> None:
    body = b"\xef\xbb\xbfdata: %b\n\n" % json.dumps(FORGED).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
    pair.a.results["tools/call"] = raw_answer(head + body)
    answer = await pair.ask(await pair.sign_in(), "tools/call", {"name": "a_read"})
    assert "forged" not in answer.text


@pytest.mark.parametrize("document", [FORGED, [FORGED], {**FORGED, "padding": "x" * 2_000_000}, {**FORGED, "id": "7"}])
async def test_a_document_that_answers_another_request_is_none(pair: Pair, document: Any) -> None:
    pair.a.results["tools/call"] = json_answer(document)
    answer = await pair.ask(await pair.sign_in(), "tools/call", {"name": "a_read"})
    assert answer.status_code == 502
    assert "forged" not in answer.text


async def test_an_error_that_names_no_request_is_one_to_this_request(pair: Pair) -> None:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no"}}
    pair.a.results["tools/call"] = json_answer(error, status=400)
    answer = await pair.ask(await pair.sign_in(), "tools/call", {"name": "a_read"})
    assert (answer.status_code, answer.json()) == (400, {**error, "id": 7})


async def test_the_stream_of_a_session_answers_nothing(pair: Pair) -> None:
    last = '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
    pair.a.results["GET"] = pushing(f"data: {json.dumps(FORGED)}\n\n", f"data: {last}\n\n", seen=[])
    token = await pair.sign_in()
    async with getting(pair, token, await pair.open(token)) as stream:
        assert (await data_of(stream.aiter_lines()))["method"] == "notifications/message"


async def test_an_answer_that_was_lost_comes_where_its_stream_is_taken_up_and_no_other(pair: Pair) -> None:
    async def broken(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event('{"jsonrpc":"2.0","method":"notifications/message","params":{}}\nid: e1')
        await exchange.end()

    seen: list[str | None] = []
    lost = json.dumps({"jsonrpc": "2.0", "id": 3, "result": {"content": []}})
    pair.a.results["tools/call"] = broken
    pair.a.results["GET"] = pushing(f"data: {json.dumps(FORGED)}\n\n", f"id: e2\ndata: {lost}\n\n", seen=seen)
    token = await pair.sign_in()
    session = await pair.open(token)
    async with await stream_of(pair, token, session, call("a_read")) as stream:
        text = (await stream.aread()).decode()
    event_id = next(line[4:] for line in text.splitlines() if line.startswith("id: "))
    async with getting(pair, token, session, **{"Last-Event-ID": event_id}) as stream:
        assert (await data_of(stream.aiter_lines()))["id"] == 3
    assert seen == ["e1"]


@pytest.mark.parametrize("made_up", ["a,:1", "a,!!:1", "a,W10:1", "a,e30:1", "a", ",:", "a,bnVsbA:1"])
async def test_an_event_that_nobody_gave_takes_nothing_up(pair: Pair, made_up: str) -> None:
    seen: list[str | None] = []
    pair.a.results["GET"] = pushing('data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n', seen=seen)
    token = await pair.sign_in()
    async with getting(pair, token, await pair.open(token), **{"Last-Event-ID": made_up}) as stream:
        await data_of(stream.aiter_lines())
    assert seen == [None]
