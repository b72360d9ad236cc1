"""Calls that a decision hangs on: the body decides, in one reading; what may not be called is not listed."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.security.vectors import vector
from tests.support.house import Door, SignedIn, open_door
from tests.support.wire import Wire, head
from vestibule.gateway import judge
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream, json_answer, raw_answer

LEGACY = {"MCP-Protocol-Version": "2025-06-18"}
TOOLS = [{"name": "read_note", "inputSchema": {}}, {"name": "delete_note", "inputSchema": {}, "x": 1.0}]
LISTING = {"jsonrpc": "2.0", "id": 1, "result": {"tools": TOOLS, "ttlMs": 5, "cacheScope": "public"}}


@pytest.fixture
async def notes(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    """An upstream with one harmless tool, and others that need a scope of their own."""
    scopes = {"default": ["notes"], "tools": {"delete_*": ["notes.write"]}}
    upstreams = [{"name": "main", "url": upstream.url, "scopes": scopes, "hide_denied": True}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        yield door


@pytest.fixture
async def reader(notes: Door) -> SignedIn:
    return await notes.sign_in(scope="notes")


@pytest.fixture
async def writer(notes: Door) -> SignedIn:
    return await notes.sign_in(scope="notes notes.write")


def message(method: str = "tools/call", **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()


async def call(who: SignedIn, tool: str, **options: Any) -> httpx2.Response:
    headers = {"Mcp-Method": "tools/call", "Mcp-Name": tool, **options.pop("headers", {})}
    options.setdefault("content", message(name=tool, arguments={"id": 1}))
    return await who.door.call(who.access_token, headers=headers, **options)


async def legacy_call(who: SignedIn, content: bytes) -> httpx2.Response:
    """As clients of the earlier eras do: without the headers that mirror the body."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {who.access_token}",
        **LEGACY,
    }
    return await who.door.http.post(who.door.mcp, content=content, headers=headers)


async def test_what_is_missing_is_told_whole_and_at_once(reader: SignedIn, upstream: RecordingUpstream) -> None:
    answer = await call(reader, "delete_note")
    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="notes notes.write"' in challenge
    assert answer.json()["id"] == 7
    assert upstream.requests == []


async def test_with_the_scope_the_call_passes_to_the_byte(writer: SignedIn, upstream: RecordingUpstream) -> None:
    content = message(name="delete_note", arguments={"id": 1}).replace(b" ", b"  ")
    assert (await call(writer, "delete_note", content=content)).status_code == 200
    assert upstream.requests[-1].body == content


async def test_the_earlier_eras_are_judged_by_the_body_alone(reader: SignedIn, upstream: RecordingUpstream) -> None:
    assert (await legacy_call(reader, message(name="delete_note"))).status_code == 403
    assert upstream.requests == []
    assert (await legacy_call(reader, message(name="read_note"))).status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_call_in_a_body_that_nobody_reads(
    method: str, chunked: bool, reader: SignedIn, upstream: RecordingUpstream
) -> None:
    """A server that reads the body of whatever comes would run it, judged by nobody and heard of by nobody."""
    content = message(name="delete_note")

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    headers = {"Content-Type": "application/json", "MCP-Protocol-Version": "2025-06-18"}
    body = pieces() if chunked else content
    answer = await reader.door.call(reader.access_token, method=method, content=body, headers=headers)
    assert answer.status_code == 400
    assert upstream.requests == []


@vector("PROXY-025")
@pytest.mark.parametrize(
    "headers",
    [
        {"Mcp-Name": "read_note"},
        {"Mcp-Method": "tools/list"},
        {"Mcp-Method": "tools/Call"},
        {"Mcp-Name": "DELETE_NOTE"},
        {"Mcp-Name": "=?base64?cmVhZF9ub3Rl?="},
        {"MCP-Protocol-Version": "2026-07-29"},
    ],
    ids=str,
)
async def test_headers_that_do_not_say_what_the_body_says(
    vector: str, writer: SignedIn, upstream: RecordingUpstream, headers: Mapping[str, str]
) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    content = message(name="delete_note", _meta=meta)
    answer = await call(writer, "delete_note", content=content, headers=dict(headers))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32020
    assert upstream.requests == []


EVIL = {
    "a batch": b'[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note"}}]',
    "two methods": b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"delete_note"}}',
    "two methods, one escaped": b'{"jsonrpc":"2.0","id":1,"\\u006dethod":"tools/call","method":"ping",'
    b'"params":{"name":"delete_note"}}',
    "two params": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note"},'
    b'"params":{"name":"delete_note"}}',
    "two names": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note","name":"delete_note"}}',
    "another case": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_one","NAME":"delete_note"}}',
    "a long s": '{"jsonrpc":"2.0","id":1,"method":"tools/call","param\u017f":{"name":"delete_note"}}'.encode(),
    "two messages": b'{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"tools/call"}',
    "lines": b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n{"jsonrpc":"2.0","id":2,"method":"tools/call"}',
    "UTF-16": '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note"}}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
    "half a surrogate": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note\\ud800"}}',
    "overlong UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"ping","x":"\xc0\xae"}',
    "no number": b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}',
    "an endless number": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":' + b"9" * 100_000 + b"}}",
    "depth": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":' + b"[" * 5000 + b"]" * 5000 + b"}}",
    "a comment": b'{"jsonrpc":"2.0",/**/"id":1,"method":"ping"}',
    "a trailing comma": b'{"jsonrpc":"2.0","id":1,"method":"ping",}',
    "a name that is none": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["delete_note"]}}',
    "params by position": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["delete_note"]}',
    "a request and an answer": b'{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"x"}}',
    "nothing": b"",
}


@vector("PROXY-025")
@pytest.mark.parametrize("content", EVIL.values(), ids=EVIL)
async def test_a_body_with_two_readings_has_none(
    vector: str, writer: SignedIn, upstream: RecordingUpstream, content: bytes
) -> None:
    answer = await legacy_call(writer, content)
    assert answer.status_code == 400
    assert upstream.requests == []


@vector("PROXY-025")
@pytest.mark.parametrize(
    "headers",
    [{"Content-Encoding": "gzip"}, {"Content-Type": "application/json; charset=utf-16"}, {"Content-Type": "text/xml"}],
    ids=str,
)
async def test_an_encoding_that_the_upstream_would_undo(
    vector: str, reader: SignedIn, upstream: RecordingUpstream, headers: Mapping[str, str]
) -> None:
    content = message("ping")
    content = gzip.compress(content) if "Content-Encoding" in headers else content
    answer = await reader.door.call(reader.access_token, content=content, headers={**headers, "Mcp-Method": "ping"})
    assert answer.status_code == 400
    assert upstream.requests == []


async def test_where_no_decision_hangs_on_it_nothing_is_read(door: Door, upstream: RecordingUpstream) -> None:
    """The relay of bytes: batches, two keys of a name, and what is no JSON at all are the upstream's business."""
    who = await door.sign_in()
    for content in EVIL.values():
        await legacy_call(who, content)
    assert [request.body for request in upstream.requests] == list(EVIL.values())


async def test_a_body_in_pieces_is_judged_when_it_is_whole(writer: SignedIn, upstream: RecordingUpstream) -> None:
    content = message(name="delete_note", arguments={"text": "x" * 200_000})
    async with Wire(writer.door.url) as wire:
        lines = ["Mcp-Method: tools/call", "Mcp-Name: delete_note", "MCP-Protocol-Version: 2026-07-28"]
        await wire.send(head(wire.host, *lines, f"Content-Length: {len(content)}", token=writer.access_token))
        for at in range(0, len(content), 50_000):
            assert upstream.requests == []
            await wire.send(content[at : at + 50_000])
            await asyncio.sleep(0.02)
        assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert upstream.requests[0].body == content


async def test_a_body_that_is_too_long_to_be_judged(writer: SignedIn, upstream: RecordingUpstream) -> None:
    content = message(name="delete_note", arguments={"text": "x" * 1_100_000})
    answer = await call(writer, "delete_note", content=content)
    assert answer.status_code == 413
    assert "policy" in answer.json()["error"]["message"]
    assert upstream.requests == []


# --- listings -------------------------------------------------------------------------------------------------------


async def listed(who: SignedIn, **options: Any) -> httpx2.Response:
    return await who.door.call(who.access_token, **options)


async def test_a_listing_shows_what_may_be_called(
    reader: SignedIn, writer: SignedIn, upstream: RecordingUpstream
) -> None:
    upstream.answer = json_answer(LISTING)
    seen = (await listed(reader)).json()["result"]
    assert seen == {"tools": TOOLS[:1], "ttlMs": 5, "cacheScope": "private"}
    assert (await listed(writer)).json()["result"]["tools"] == TOOLS


async def test_a_listing_in_events_keeps_the_others(reader: SignedIn, upstream: RecordingUpstream) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event('{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"tools"}}')
        await exchange.event(json.dumps(LISTING))
        await exchange.end()

    upstream.answer = answer
    text = (await listed(reader)).text
    assert text.startswith('data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"tools"}}\n\n')
    assert json.loads(text.split("data: ")[2])["result"]["tools"] == TOOLS[:1]


async def test_a_listing_that_a_legacy_client_takes_up_again(reader: SignedIn, upstream: RecordingUpstream) -> None:
    """What was lost on the POST comes again on the GET stream, and is the same for this caller."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event(json.dumps(LISTING))
        await exchange.end()

    upstream.answer = answer
    headers = {**LEGACY, "Accept": "text/event-stream", "Last-Event-ID": "4"}
    text = (await listed(reader, method="GET", headers=headers)).text
    assert json.loads(text.removeprefix("data: "))["result"]["tools"] == TOOLS[:1]


@pytest.mark.parametrize(
    "broken",
    [
        json_answer({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"title": "delete_note"}]}}),
        json_answer([LISTING]),
        json_answer(LISTING, headers=("Content-Encoding: gzip",)),
        raw_answer(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"tools":'),
    ],
)
async def test_a_listing_that_cannot_be_judged_is_not_shown(
    reader: SignedIn, upstream: RecordingUpstream, broken: Any
) -> None:
    upstream.answer = broken
    answer = await listed(reader)
    assert answer.status_code == 502
    assert "delete_note" not in answer.text


async def test_other_answers_are_not_looked_at(reader: SignedIn, upstream: RecordingUpstream) -> None:
    upstream.answer = raw_answer(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"tools":x}')
    assert (await call(reader, "read_note")).text == '{"tools":x}'


# --- resources ------------------------------------------------------------------------------------------------------


OTHER_SPELLINGS = [
    "FILE:///secret/key",
    "file:///public/../secret/key",
    "file:///public/%2e%2E/secret/key",
    "file://localhost/secret/key",
    "file:/secret/key",
    "file:\\\\\\secret\\key",
    " file:///secret/key",
    "fi\tle:///secret/key",
    "file:///%73ecret/key",
    "file:////secret/key",
]


@pytest.fixture
async def files(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[SignedIn]:
    """Somebody who lacks the scope that file:///secret/* needs."""
    scopes = {"default": ["files"], "resources": {"file:///secret/*": ["files.secret"]}}
    upstreams = [{"name": "main", "url": upstream.url, "scopes": scopes}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        yield await door.sign_in(scope="files")


@pytest.mark.parametrize("uri", OTHER_SPELLINGS)
async def test_a_resource_has_no_second_name(files: SignedIn, upstream: RecordingUpstream, uri: str) -> None:
    """`new URL(uri)` of the TypeScript SDK makes file:///secret/key of most, and a file system of the others."""
    assert (await legacy_call(files, message("resources/read", uri="file:///secret/key"))).status_code == 403
    assert (await legacy_call(files, message("resources/read", uri=uri))).status_code == 400
    assert upstream.requests == []


@pytest.mark.parametrize("uri", ["file:///public/a..b/key%20x", "notes://Ada/today?x=1#y", "urn:isbn:0-486-27557-4"])
async def test_a_resource_by_its_only_name_is_read(files: SignedIn, upstream: RecordingUpstream, uri: str) -> None:
    assert (await legacy_call(files, message("resources/read", uri=uri))).status_code == 200


def watching(*uris: object, **more: object) -> bytes:
    return message("subscriptions/listen", notifications={"resourceSubscriptions": [*uris], **more})


async def watched(who: SignedIn, content: bytes) -> int:
    headers = {"Mcp-Method": "subscriptions/listen"}
    return (await who.door.call(who.access_token, headers=headers, content=content)).status_code


async def test_a_denied_resource_is_not_listened_to_in_any_era(files: SignedIn, upstream: RecordingUpstream) -> None:
    """Whoever is told that it has changed learns of it what resources/subscribe would have told."""
    denied = "file:///secret/key"
    assert (await legacy_call(files, message("resources/subscribe", uri=denied))).status_code == 403
    assert await watched(files, watching("file:///public", denied)) == 403
    refused = [watching(uri) for uri in ("FILE:///secret/key", "file:///x/../secret/key", "", None, 5)]
    refused += [watching(resourcesubscriptions=[denied]), message("subscriptions/listen", Notifications={})]
    refused += [watching(*("file:///public" for _ in range(1001)))]
    assert [await watched(files, one) for one in refused] == [400] * len(refused)
    assert upstream.requests == []
    assert await watched(files, watching("file:///public", toolsListChanged=True)) == 200


# --- who hears of it ------------------------------------------------------------------------------------------------


async def test_the_trail_tells_of_calls_and_of_refusals(
    reader: SignedIn, writer: SignedIn, upstream: RecordingUpstream
) -> None:
    allowed = await call(writer, "delete_note")
    denied = await call(reader, "delete_note")
    await listed(reader)
    store = reader.door.house.store
    async with asyncio.timeout(5):
        while len(told := [one for one in await store.audit.tail(limit=10) if one.action == "mcp.call"]) < 2:
            await asyncio.sleep(0.05)
    assert [(one.outcome, one.tool, one.actor, one.request_id, one.target) for one in told] == [
        ("denied", "delete_note", "development:ada", denied.headers["x-request-id"], reader.door.mcp),
        ("allowed", "delete_note", "development:ada", allowed.headers["x-request-id"], reader.door.mcp),
    ]
    assert told[0].reason.startswith("INSUFFICIENT_SCOPE")
    assert told[1].reason == ""


HIDDEN_CALLS = {
    "a batch": (b'[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note"}}]', "(not seen)"),
    "a number that is none": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note","arguments":{"x":NaN}}}',
        "(not seen)",
    ),
    "another case": (b'{"jsonrpc":"2.0","id":1,"Method":"tools/call","params":{"name":"delete_note"}}', "(not seen)"),
    "a method in another case": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"delete_note"}}',
        "(not seen)",
    ),
    "a byte order mark": (b"\xef\xbb\xbf" + message(name="delete_note"), "(not seen)"),
    "a uri beside the name": (message(name="delete_note", uri=1), "delete_note"),
    "a name beside the uri": (message("resources/read", name="harmless", uri="notes://secret"), "notes://secret"),
}


async def told_tools(door: Door) -> list[str]:
    """Of the calls that the trail tells were allowed, when there are some."""
    async with asyncio.timeout(5):
        while not (told := [one for one in await door.house.store.audit.tail(limit=9) if one.action == "mcp.call"]):
            await asyncio.sleep(0.05)
    return [one.tool for one in told if one.outcome == "allowed"]


@pytest.mark.parametrize(("content", "tool"), HIDDEN_CALLS.values(), ids=HIDDEN_CALLS)
@pytest.mark.parametrize("lie", [{}, {"Mcp-Method": "tools/list"}], ids=["silent", "lying"])
async def test_no_call_goes_on_unheard(
    door: Door, upstream: RecordingUpstream, content: bytes, tool: str, lie: Mapping[str, str]
) -> None:
    """Where no decision hangs on the body: what cannot be seen in it may be a call."""
    who = await door.sign_in()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {who.access_token}", **LEGACY, **lie}
    assert (await door.http.post(door.mcp, content=content, headers=headers)).status_code == 200
    assert upstream.requests[-1].body == content
    assert await told_tools(door) == [tool]


@pytest.mark.parametrize("lie", [[], ["Mcp-Method: tools/list"]], ids=["silent", "lying"])
async def test_a_call_too_long_to_wait_for_is_heard_of(door: Door, upstream: RecordingUpstream, lie: list[str]) -> None:
    who = await door.sign_in()
    content = message(name="delete_note", arguments={"text": "x" * 100_000})
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, *lie, f"Content-Length: {len(content)}", token=who.access_token))
        await asyncio.sleep(0.1)
        await wire.send(content)
        assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert upstream.requests[-1].body == content
    assert await told_tools(door) == ["(not seen)"]


async def test_a_clients_answer_is_no_call(door: Door, upstream: RecordingUpstream) -> None:
    who = await door.sign_in()
    await legacy_call(who, b'{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}')
    await legacy_call(who, message("tools/list"))
    await legacy_call(who, message(name="last"))
    assert await told_tools(door) == ["last"]


async def test_completions_of_a_prompt_need_what_the_prompt_needs(tmp_path: Path, upstream: RecordingUpstream) -> None:
    scopes = {"default": ["notes"], "prompts": {"secret": ["notes.secret"]}}
    upstreams = [{"name": "main", "url": upstream.url, "scopes": scopes}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        who = await door.sign_in(scope="notes")
        for name, status in (("secret", 403), ("open", 200)):
            argument = {"name": "customer", "value": "a"}
            content = message("completion/complete", ref={"type": "ref/prompt", "name": name}, argument=argument)
            assert (await legacy_call(who, content)).status_code == status


async def test_strangers_from_everywhere_keep_no_known_callers_refusal_out_of_the_trail(
    tmp_path: Path, upstream: RecordingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "_MAX_CALLERS", 3)
    scopes = {"default": ["notes"], "tools": {"delete_*": ["notes.write"]}}
    upstreams = [{"name": "main", "url": upstream.url, "scopes": scopes}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams, trusted_proxies=["127.0.0.1"]) as door:
        known = await door.sign_in(scope="notes")
        for number in range(3 + judge._TOLD_A_MINUTE):
            await door.call("vat_guess", headers={"X-Forwarded-For": f"192.0.2.{number}"})
        assert (await call(known, "delete_note")).status_code == 403
        async with asyncio.timeout(5):
            while not any(one.tool == "delete_note" for one in await door.house.store.audit.tail()):
                await asyncio.sleep(0.05)
