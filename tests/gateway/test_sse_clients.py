"""HTTP+SSE clients before a streamable HTTP upstream: what reaches it, what comes back, and who may see it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.running.test_reload import reload, write
from tests.security.vectors import vector
from tests.support.api_keys import make_key
from tests.support.house import Door, Flow, SignedIn, open_door
from tests.support.proofs import proof, token_hash
from tests.support.sse import SseClient, sign_in_for_sse, sse_client
from tests.support.wire import Wire, head
from vestibule.testing.recording_upstream import Exchange, RecordedRequest, RecordingUpstream, json_answer, raw_answer
from vestibule.testing.signing_key import SigningKey

INITIALIZED = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
ACCEPTED = raw_answer(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
NO_STREAM = raw_answer(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
Answer = Callable[[Exchange], Awaitable[None]]


class Server:
    """A streamable HTTP server of the legacy eras; `on` says how to answer a method."""

    def __init__(self, upstream: RecordingUpstream) -> None:
        self.upstream = upstream
        self.on: dict[str, Answer] = {}
        upstream.answer = self._answer

    async def _answer(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.method != "POST":
            await self.on.get(request.method, NO_STREAM)(exchange)
            return
        message = json.loads(request.body)
        if (answer := self.on.get(message.get("method", "answer"))) is not None:
            await answer(exchange)
        elif "id" not in message or "method" not in message:
            await ACCEPTED(exchange)
        else:
            result = INITIALIZED if message["method"] == "initialize" else {"of": message["method"]}
            headers = ("Mcp-Session-Id: upstream-1",) if message["method"] == "initialize" else ()
            await json_answer({"jsonrpc": "2.0", "id": message["id"], "result": result}, headers=headers)(exchange)

    async def was_asked(self, method: str, count: int = 1) -> list[RecordedRequest]:
        """HTTP methods too."""
        async with asyncio.timeout(5):
            while len(found := [one for one in self.upstream.requests if _method(one) == method]) < count:
                await asyncio.sleep(0.01)
        return found


def _method(request: RecordedRequest) -> str:
    return str(json.loads(request.body).get("method", "answer")) if request.body else request.method


async def say(exchange: Exchange, events: bytes) -> None:
    await exchange.send(b"%x\r\n%b\r\n" % (len(events), events))


@pytest.fixture
def server(upstream: RecordingUpstream) -> Server:
    return Server(upstream)


@asynccontextmanager
async def a_client(door: Door) -> AsyncIterator[SseClient]:
    async with sse_client(await sign_in_for_sse(door)) as one:
        yield one


@pytest.fixture
async def client(door: Door, server: Server) -> AsyncIterator[SseClient]:
    async with a_client(door) as one:
        yield one


def later(door: Door, seconds: float) -> None:
    """What a look at the streams finds then."""
    for exchange in list(door.house.gateway.exchanges):
        exchange.tick(asyncio.get_running_loop().time() + seconds)


async def test_a_call_goes_to_the_upstream_and_its_answer_comes_on_the_stream(
    client: SseClient, server: Server
) -> None:
    assert (await client.initialize())["result"] == INITIALIZED
    await client.post({"id": 1, "method": "tools/call", "params": {"name": "a"}}, headers={"Traceparent": "00-a-b-01"})
    assert (await client.message())["result"] == {"of": "tools/call"}
    (call,) = await server.was_asked("tools/call")
    assert call.header("mcp-session-id") == "upstream-1"
    assert call.header("mcp-protocol-version") == "2025-06-18"
    assert call.header("accept") == "application/json, text/event-stream"
    assert call.header("traceparent") == "00-a-b-01"
    assert call.header("authorization") is None
    assert call.target == "/mcp"
    (beginning,) = await server.was_asked("initialize")
    assert beginning.header("mcp-session-id") is None


async def test_the_stream_is_one(door: Door, server: Server) -> None:
    client = SseClient(door, (await sign_in_for_sse(door, "/main/sse")).access_token, "/main/sse")
    async with client.wire:
        answer = (await client.open()).lower()
    assert b"content-type: text/event-stream" in answer
    assert b"cache-control: no-store" in answer
    assert b"x-accel-buffering: no" in answer
    assert client.endpoint.startswith("/main/message?sessionId=")


async def test_leaving_ends_the_upstreams_session(door: Door, server: Server) -> None:
    async with sse_client(await sign_in_for_sse(door)) as client:
        await client.initialize()
    (farewell,) = await server.was_asked("DELETE")
    assert farewell.header("mcp-session-id") == "upstream-1"
    assert farewell.header("mcp-protocol-version") == "2025-06-18"
    async with asyncio.timeout(5):
        while door.house.gateway.exchanges:
            await asyncio.sleep(0.01)
    answer = await client.post({"id": 1, "method": "tools/list"})
    assert answer.status_code == 404


async def test_what_the_upstream_says_unasked_comes_on_the_stream(client: SseClient, server: Server) -> None:
    over = asyncio.Event()

    async def listen(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
        await over.wait()

    server.on["GET"] = listen
    await client.initialize()
    assert (await client.message())["method"] == "notifications/tools/list_changed"
    (request,) = await server.was_asked("GET")
    assert request.header("mcp-session-id") == "upstream-1"
    assert request.header("accept") == "text/event-stream"
    over.set()


async def test_a_call_may_report_and_ask_back_before_it_answers(client: SseClient, server: Server) -> None:
    answered = asyncio.Event()

    async def call(exchange: Exchange) -> None:
        await exchange.begin_events()
        await say(exchange, b'data: {"jsonrpc":"2.0",\ndata: "method":"notifications/x"}\n\n')
        await exchange.event('{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage"}')
        await answered.wait()
        await exchange.event('{"jsonrpc":"2.0","id":1,"result":{}}')
        await exchange.end()

    async def take(exchange: Exchange) -> None:
        answered.set()
        await ACCEPTED(exchange)

    server.on |= {"tools/call": call, "answer": take}
    await client.initialize()
    await client.post({"id": 1, "method": "tools/call"})
    assert (await client.message())["method"] == "notifications/x"
    assert (await client.message())["id"] == "q"
    await client.post({"id": "q", "result": {}})
    assert await client.message() == {"jsonrpc": "2.0", "id": 1, "result": {}}


async def test_messages_leave_in_their_order(client: SseClient, server: Server) -> None:
    async def slowly(exchange: Exchange) -> None:
        await asyncio.sleep(0.2)
        await ACCEPTED(exchange)

    server.on["notifications/initialized"] = slowly
    await client.initialize()
    await client.post({"id": 1, "method": "tools/list"})
    await client.message()
    assert [one for one in map(_method, server.upstream.requests) if one != "GET"] == [
        "initialize",
        "notifications/initialized",
        "tools/list",
    ]


async def test_slow_calls_do_not_hold_up_others(client: SseClient, server: Server) -> None:
    over = asyncio.Event()

    async def never(exchange: Exchange) -> None:
        await over.wait()

    server.on["tools/call"] = never
    await client.initialize()
    await client.post({"id": 1, "method": "tools/call"})
    await client.post({"id": 2, "method": "tools/list"})
    assert (await client.message())["id"] == 2
    over.set()


async def test_what_a_server_breaks_off_is_asked_for_again(client: SseClient, server: Server) -> None:
    async def begin(exchange: Exchange) -> None:
        await exchange.begin_events()
        await say(exchange, b"id: 7\nretry: 10\ndata: \n\n")
        await exchange.end()

    async def go_on(exchange: Exchange) -> None:
        if exchange.request.header("last-event-id") != "7":
            await NO_STREAM(exchange)
            return
        await exchange.begin_events()
        await exchange.event('{"jsonrpc":"2.0","id":1,"result":{"late":true}}')
        await exchange.end()

    server.on |= {"tools/call": begin, "GET": go_on}
    await client.initialize()
    await client.post({"id": 1, "method": "tools/call"})
    assert (await client.message())["result"] == {"late": True}


# --- errors -----------------------------------------------------------------------------------------------------------


async def _break_off(exchange: Exchange) -> None:
    await exchange.begin_events()
    await exchange.send(b"20\r\ndata: half an ev")
    exchange.writer.transport.abort()


async def _long_line(exchange: Exchange) -> None:
    await exchange.begin_events()
    piece = b"data: " + b"x" * 65_000
    for _ in range(1700):  # one line of 110 MB
        await say(exchange, piece)


async def _strange_events(exchange: Exchange) -> None:
    await exchange.begin_events()
    await say(exchange, b"\xef\xbb\xbf\r\r\n\ndata: \x00\xff\r\rdata\n\nid: \x00\n\n")
    await exchange.end()


BROKEN = {
    "500": raw_answer(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
    "401": raw_answer(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
    "redirect": raw_answer(b"HTTP/1.1 307 X\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n"),
    "page": raw_answer(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"),
    "another-id": json_answer({"jsonrpc": "2.0", "id": 99, "result": {}}),
    "nothing": ACCEPTED,
    "half-an-event": _break_off,
    "a-line-without-end": _long_line,
}


@vector("SSE-003", "SSE-004")
@pytest.mark.parametrize("kind", BROKEN)
async def test_whatever_goes_wrong_the_call_is_answered(
    vector: str, client: SseClient, server: Server, kind: str
) -> None:
    server.on["tools/call"] = BROKEN[kind]
    await client.initialize()
    await client.post({"id": 5, "method": "tools/call"})
    answer = await client.message(20)
    assert answer["id"] == 5
    code = "UPSTREAM_CREDENTIAL_FAILED" if kind == "401" else "UPSTREAM_UNAVAILABLE"
    assert answer["error"]["data"]["error_code"] == code
    await client.post({"id": 6, "method": "tools/list"})
    assert (await client.message())["id"] == 6


@vector("SSE-004")
async def test_strange_events_pass_as_one_line_each_or_not_at_all(
    vector: str, client: SseClient, server: Server
) -> None:
    server.on["tools/call"] = _strange_events
    await client.initialize()
    await client.post({"id": 5, "method": "tools/call"})
    assert (await client.event()).data == b"\x00\xff"
    assert (await client.message())["id"] == 5


async def test_an_upstreams_own_error_is_passed_on(client: SseClient, server: Server) -> None:
    error = {"code": -32600, "message": "no"}
    server.on["tools/call"] = json_answer({"jsonrpc": "2.0", "id": None, "error": error}, status=400)
    await client.initialize()
    await client.post({"id": 5, "method": "tools/call"})
    assert await client.message() == {"jsonrpc": "2.0", "id": 5, "error": error}


async def test_an_upstream_that_has_forgotten_the_session_ends_the_stream(client: SseClient, server: Server) -> None:
    server.on["tools/call"] = raw_answer(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n")
    await client.initialize()
    await client.post({"id": 5, "method": "tools/call"})
    with pytest.raises(EOFError):
        await client.event()


async def test_later_eras_are_not_spoken_here(client: SseClient, server: Server) -> None:
    await client.post({"id": 1, "method": "server/discover", "params": {}})
    assert (await client.message())["error"]["code"] == -32601
    assert not server.upstream.requests


@pytest.mark.parametrize("body", [b"[]", b"{", b"", b"[{}]", b'{"id":1.5,"method":"a"}'], ids=str)
async def test_what_is_no_message_is_refused(client: SseClient, server: Server, body: bytes) -> None:
    assert (await client.post(body)).status_code == 400
    assert not server.upstream.requests


async def test_a_client_that_does_not_read_makes_the_upstream_wait(client: SseClient, server: Server) -> None:
    sent = 0

    async def pour(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.begin_events()
        for _ in range(1000):
            await exchange.event('{"jsonrpc":"2.0","method":"n","params":"' + "x" * 65_000 + '"}')
            sent += 1
        await exchange.event('{"jsonrpc":"2.0","id":5,"result":{}}')
        await exchange.end()

    server.on["tools/call"] = pour
    await client.initialize()
    await client.post({"id": 5, "method": "tools/call"})
    before = -1
    async with asyncio.timeout(10):
        while sent != before:
            before = sent
            await asyncio.sleep(0.3)
    assert sent < 500
    while (await client.message()).get("id") != 5:
        pass
    assert sent == 1000


async def test_too_many_messages_are_refused(client: SseClient, server: Server) -> None:
    over = asyncio.Event()

    async def never(exchange: Exchange) -> None:
        await over.wait()

    server.on["tools/call"] = never
    await client.initialize()
    statuses = {(await client.post({"id": number, "method": "tools/call"})).status_code for number in range(1, 110)}
    assert statuses == {202, 503}
    over.set()


async def test_long_messages_that_nobody_answers_do_not_fill_the_memory(client: SseClient, server: Server) -> None:
    """They have left, and are kept still: the upstream has not said yet that it has them."""
    over = asyncio.Event()

    async def never(exchange: Exchange) -> None:
        await over.wait()

    server.on["tools/call"] = never
    await client.initialize()
    statuses = []
    for number in range(1, 22):
        params = {"name": "x", "arguments": {"text": "x" * 1_000_000}}
        statuses.append((await client.post({"id": number, "method": "tools/call", "params": params})).status_code)
        await asyncio.sleep(0.02)
    assert (statuses[0], statuses[-1]) == (202, 503)
    over.set()


# --- who may ----------------------------------------------------------------------------------------------------------


async def test_the_stream_is_a_resource_of_its_own(door: Door) -> None:
    challenge = (await door.http.get(f"{door.url}/sse")).headers["www-authenticate"]
    metadata = f"{door.url}/.well-known/oauth-protected-resource/sse"
    assert f'resource_metadata="{metadata}"' in challenge
    assert (await door.http.get(metadata)).json()["resource"] == f"{door.url}/sse"
    assert (await door.http.get(f"{door.url}/.well-known/oauth-protected-resource/main/sse")).status_code == 200


async def test_tokens_of_other_resources_do_not_open_it(door: Door) -> None:
    token = (await door.sign_in()).access_token
    answer = await door.http.get(f"{door.url}/sse", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["data"]["error_code"]) == (401, "INVALID_AUDIENCE")
    token = (await sign_in_for_sse(door)).access_token
    assert (await door.call(token)).status_code == 401


@pytest.mark.parametrize("kind", ["another-person", "made-up", "none", "twice", "of-the-other-address"])
async def test_nobody_else_posts_to_a_stream(door: Door, client: SseClient, server: Server, kind: str) -> None:
    """CVE-2026-52869: the id of a session is no key."""
    options: dict[str, Any] = {}
    if kind == "another-person":
        options["token"] = (await sign_in_for_sse(door, login="grace")).access_token
    elif kind == "of-the-other-address":
        options["token"] = (await sign_in_for_sse(door, "/main/sse")).access_token
        options["endpoint"] = f"/main{client.endpoint}"
    else:
        ends = {"made-up": f"sessionId={'0' * 32}", "none": "", "twice": client.endpoint.partition("?")[2] * 2}
        twice = f"{ends['made-up']}&{client.endpoint.partition('?')[2]}"
        options["endpoint"] = f"/message?{twice if kind == 'twice' else ends[kind]}"
    answer = await client.post({"id": 1, "method": "tools/list"}, **options)
    assert answer.status_code == 404
    assert not server.upstream.requests


async def test_other_methods_are_not_taken(door: Door) -> None:
    for method, path in (("POST", "/sse"), ("DELETE", "/sse"), ("GET", "/message"), ("PUT", "/message")):
        assert (await door.http.request(method, door.url + path)).status_code == 405


async def test_a_clients_session_header_counts_for_nothing(client: SseClient, server: Server) -> None:
    await client.initialize()
    answer = await client.post({"id": 1, "method": "tools/list"}, headers={"Mcp-Session-Id": "somebody-elses"})
    assert answer.status_code == 202
    await client.message()
    (request,) = await server.was_asked("tools/list")
    assert request.header("mcp-session-id") == "upstream-1"


async def test_each_message_is_judged(tmp_path: Path, server: Server) -> None:
    scopes = {"default": ["mcp"], "tools": {"delete_*": ["more"]}}
    upstreams = [{"name": "main", "url": server.upstream.url, "scopes": scopes}]
    async with open_door(tmp_path, "", upstreams=upstreams) as door, a_client(door) as client:
        await client.initialize()
        refused = await client.post({"id": 1, "method": "tools/call", "params": {"name": "delete_all"}})
        assert refused.status_code == 403
        assert refused.json()["error"]["data"]["error_code"] == "INSUFFICIENT_SCOPE"
        assert 'scope="mcp more"' in refused.headers["www-authenticate"]
        await client.post({"id": 2, "method": "tools/call", "params": {"name": "read"}})
        assert (await client.message())["id"] == 2
        assert len(await server.was_asked("tools/call")) == 1


async def test_a_call_that_the_policy_denies_is_answered_on_the_stream_too(tmp_path: Path, server: Server) -> None:
    rule = "{name: nothing-deleted, effect: deny, tools: ['delete_*']}"
    (tmp_path / "policy.yaml").write_text(f"version: 1\ndefault: allow\nrules: [{rule}]\n")
    policy = {"file": str(tmp_path / "policy.yaml")}
    async with open_door(tmp_path, server.upstream.url, policy=policy) as door, a_client(door) as client:
        await client.initialize()
        answer = await client.post({"id": 1, "method": "tools/call", "params": {"name": "delete_all"}})
        assert answer.status_code == 403
        assert (await client.message())["error"]["data"]["error_code"] == "POLICY_DENIED"


async def test_each_call_is_told(door: Door, client: SseClient, server: Server) -> None:
    await client.initialize()
    await client.post({"id": 1, "method": "tools/call", "params": {"name": "weigh"}})
    await client.message()
    store = door.house.store
    async with asyncio.timeout(5):
        while not (told := [one for one in await store.audit.tail(limit=9) if one.action == "mcp.call"]):
            await asyncio.sleep(0.05)
    assert [(one.outcome, one.tool, one.target) for one in told] == [("allowed", "weigh", f"{door.url}/sse")]


async def test_listings_leave_out_what_is_denied(tmp_path: Path, server: Server) -> None:
    scopes = {"default": ["mcp"], "tools": {"delete_*": ["more"]}}
    upstreams = [{"name": "main", "url": server.upstream.url, "scopes": scopes, "hide_denied": True}]
    tools = {"tools": [{"name": "read"}, {"name": "delete_all"}]}
    server.on["tools/list"] = json_answer({"jsonrpc": "2.0", "id": 1, "result": tools})
    async with open_door(tmp_path, "", upstreams=upstreams) as door, a_client(door) as client:
        await client.initialize()
        await client.post({"id": 1, "method": "tools/list"})
        assert (await client.message())["result"]["tools"] == [{"name": "read"}]


# --- the end of a token -----------------------------------------------------------------------------------------------


@vector("SSE-006")
async def test_a_stream_ends_after_its_token(vector: str, door: Door, client: SseClient) -> None:
    door.clock.advance(601)
    assert (await client.post({"id": 1, "method": "tools/list"})).status_code == 401
    later(door, 631)
    with pytest.raises(EOFError):
        await client.event()


@vector("SSE-006")
async def test_a_younger_token_carries_the_stream_on(vector: str, door: Door, server: Server) -> None:
    person = await sign_in_for_sse(door)
    async with sse_client(person) as client:
        door.clock.advance(500)
        token = (await person.refresh()).json()["access_token"]
        await client.post({"id": 0, "method": "ping"}, token=token)
        assert (await client.message())["id"] == 0
        later(door, 601)
        await client.post({"id": 1, "method": "ping"}, token=token)
        assert (await client.message())["id"] == 1
        later(door, 640)
        with pytest.raises(EOFError):
            await client.event()


@vector("SSE-006")
async def test_a_stream_ends_with_its_grant(vector: str, door: Door, server: Server) -> None:
    person = await sign_in_for_sse(door)
    async with sse_client(person) as client:
        form = {"token": person.refresh_token, "client_id": person.flow.client["client_id"]}
        assert (await door.post("/revoke", form)).status_code == 200
        with pytest.raises(EOFError):
            await client.event()
        assert (await client.post({"id": 1, "method": "ping"})).status_code == 401


@vector("SSE-007")
async def test_a_silent_stream_gets_comments(vector: str, door: Door, client: SseClient) -> None:
    later(door, 26)
    assert b": still there" in await client.wire.until(b"\n\n")


async def test_pages_of_other_origins_open_no_stream(door: Door) -> None:
    token = (await sign_in_for_sse(door)).access_token
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Origin: https://evil.example", method="GET", path="/sse", token=token))
        assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 403")


async def test_they_can_be_switched_off(tmp_path: Path, server: Server) -> None:
    async with open_door(tmp_path, server.upstream.url, sse_clients=False) as door:
        assert (await door.http.get(f"{door.url}/sse")).status_code == 404
        assert (await door.http.get(f"{door.url}/.well-known/oauth-protected-resource/sse")).status_code == 404


async def test_a_key_is_proven_for_the_address_of_messages(door: Door, server: Server) -> None:
    key = SigningKey("a-key")
    token = (await sign_in_for_sse(door, proof=proof(door, key, f"{door.url}/token"))).access_token

    def shown(url: str, method: str) -> dict[str, str]:
        right = proof(door, key, url, method=method, ath=token_hash(token))
        return {"Authorization": f"DPoP {token}", "DPoP": right}

    client = SseClient(door, "")
    lines = [f"{name}: {value}" for name, value in shown(f"{door.url}/sse", "GET").items()]
    async with client.wire:
        await client.wire.send(head(client.wire.host, *lines, method="GET", path="/sse"))
        await client.wire.until(b"\r\n\r\n")
        client.endpoint = (await client.event()).data.decode()
        wrong = await client.post({"id": 1, "method": "ping"}, headers=shown(f"{door.url}/sse", "POST"))
        assert wrong.status_code == 401
        right = await client.post({"id": 1, "method": "ping"}, headers=shown(f"{door.url}/message", "POST"))
        assert right.status_code == 202
        assert (await client.message())["id"] == 1


async def test_a_server_that_stops_ends_the_streams_and_takes_its_leave(door: Door, server: Server) -> None:
    async with sse_client(await sign_in_for_sse(door)) as client:
        await client.initialize()
        door.serving.stop()
        with pytest.raises(EOFError):
            await client.event()
        assert len(await server.was_asked("DELETE")) == 1


async def test_answers_that_are_not_whole_do_not_fill_the_memory(client: SseClient, server: Server) -> None:
    over = asyncio.Event()

    async def half(exchange: Exchange) -> None:
        await exchange.begin_events()
        for _ in range(9):
            await say(exchange, b"data: " + b"x" * (1 << 20))
        await over.wait()

    server.on["tools/call"] = half
    await client.initialize()
    for number in range(1, 5):
        await client.post({"id": number, "method": "tools/call"})
    assert (await client.message(20))["error"]["data"]["error_code"] == "UPSTREAM_UNAVAILABLE"
    over.set()


async def test_a_server_that_stops_lets_calls_be_answered_first(door: Door, server: Server) -> None:
    go_on = asyncio.Event()

    async def slowly(exchange: Exchange) -> None:
        await go_on.wait()
        await json_answer({"jsonrpc": "2.0", "id": 7, "result": {}})(exchange)

    server.on["tools/call"] = slowly
    async with sse_client(await sign_in_for_sse(door)) as client:
        await client.initialize()
        await client.post({"id": 7, "method": "tools/call"})
        await server.was_asked("tools/call")
        door.serving.stop()
        with pytest.raises(TimeoutError):
            await client.event(0.5)
        go_on.set()
        assert (await client.message())["id"] == 7
        with pytest.raises(EOFError):
            await client.event()


async def test_a_reload_keeps_the_session_until_its_calls_are_answered(door: Door, server: Server) -> None:
    go_on = asyncio.Event()

    async def slowly(exchange: Exchange) -> None:
        await go_on.wait()
        await json_answer({"jsonrpc": "2.0", "id": 7, "result": {}})(exchange)

    server.on["tools/call"] = slowly
    write(door, http={"graceful_timeout": "1s"})
    await reload(door)
    async with sse_client(await sign_in_for_sse(door)) as client:
        await client.initialize()
        await client.post({"id": 7, "method": "tools/call"})
        await server.was_asked("tools/call")
        write(door, origins=["https://app.example.com"])
        await reload(door)
        assert (await client.post({"id": 8, "method": "tools/list"})).status_code == 202
        assert (await client.message())["id"] == 8
        with pytest.raises(TimeoutError):
            await client.event(1.5)
        go_on.set()
        assert (await client.message())["id"] == 7
        with pytest.raises(EOFError):
            await client.event()


GARBAGE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"initialize"',
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"{" * 5000,
    b"[" * 5000,
    b'{"method":1}',
    b'{"method":"a","id":{}}',
    b'{"method":"a","id":1e400}',
    b'{"method":"a","id":"\\ud800"}',
    b'{"method":"initialize","id":null}',
    b'{"method":"server/discover"}',
    b'{"method":"server/discover","id":"\\r\\ndata: x"}',
    b'{"id":1,"result":{}}',
    b'{"id":1,"method":"a","method":"initialize"}',
    b'{"jsonrpc":"2.0","id":1,"method":"a"}\n\nevent: endpoint\ndata: http://evil.example/',
]


@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
async def test_no_message_breaks_a_stream(client: SseClient, server: Server, body: bytes) -> None:
    assert (await client.post(body)).status_code in (202, 400)
    await client.post({"id": "last", "method": "ping"})
    while (await client.message()).get("id") != "last":
        pass
    assert client.door.house.gateway.counters.broken_answers == 0


async def test_an_api_key_opens_it_as_it_opens_the_other_address(door: Door, server: Server) -> None:
    _, key = await make_key(door, scopes=("mcp",))
    async with sse_client(SignedIn(door, Flow(door, {}), door.browser(), {"access_token": key})) as client:
        assert (await client.initialize())["result"] == INITIALIZED


async def test_where_nobody_signs_in_the_id_alone_is_the_key(tmp_path: Path, server: Server) -> None:
    upstreams = [{"name": "main", "url": server.upstream.url, "access": "anonymous"}]
    async with open_door(tmp_path, "", upstreams=upstreams) as door, Wire(door.url) as wire:
        await wire.send(head(wire.host, method="GET", path="/sse"))
        found = re.search(rb"sessionId=([0-9a-f]{32})\n", await wire.until(b"\n\n\r\n"))
        assert found is not None
        url, headers = f"{door.url}/message?sessionId=", {"Content-Type": "application/json"}
        message = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
        assert (await door.http.post(url + "0" * 32, content=message, headers=headers)).status_code == 404
        assert (await door.http.post(url + found[1].decode(), content=message, headers=headers)).status_code == 202
        assert b'"of": "ping"' in await wire.until(b"\n\n\r\n")


async def test_a_stream_of_the_upstream_that_ends_is_opened_again_where_it_ended(
    client: SseClient, server: Server
) -> None:
    async def listen(exchange: Exchange) -> None:
        number = int(exchange.request.header("last-event-id") or 0) + 1
        await exchange.begin_events()
        await say(exchange, b'id: %d\nretry: 10\ndata: {"method":"n%d"}\n\n' % (number, number))
        await exchange.end()

    server.on["GET"] = listen
    await client.initialize()
    assert [(await client.message())["method"] for _ in range(3)] == ["n1", "n2", "n3"]


async def test_an_upstream_without_a_stream_is_asked_for_it_once(client: SseClient, server: Server) -> None:
    await client.initialize()
    await server.was_asked("GET")
    await client.post({"id": 1, "method": "ping"})
    await client.message()
    assert len(await server.was_asked("GET")) == 1
