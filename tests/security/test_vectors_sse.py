"""Streams: passed on as they come, cancelled when their client leaves, ended when their token does."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.security.vectors import vector
from tests.support.house import Door, SignedIn, open_door
from tests.support.wire import Wire, head
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}'


class Stream:
    """An answer of events that the test sends one by one."""

    def __init__(self, upstream: RecordingUpstream) -> None:
        self.exchange: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        upstream.answer = self._answer

    async def _answer(self, exchange: Exchange) -> None:
        await exchange.begin_events("Mcp-Session-Id: s")
        self.exchange.set_result(exchange)
        await self.over.wait()

    async def send(self, text: str) -> None:
        await (await self.exchange).event(text)


async def open_stream(
    wire: Wire, person: SignedIn, *, version: str = "2026-07-28", method: str = "POST", session: str = ""
) -> bytes:
    lines = [f"MCP-Protocol-Version: {version}", "Accept: application/json, text/event-stream"]
    lines += [f"Mcp-Session-Id: {session}"] if session else []
    body = BODY if method == "POST" else b""
    await wire.send(
        head(wire.host, *lines, f"Content-Length: {len(body)}", method=method, token=person.access_token) + body
    )
    return await wire.until(b"\r\n\r\n")


@vector("SSE-001", "SSE-012")
async def test_events_are_passed_on_one_by_one(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    stream = Stream(upstream)
    async with Wire(door.url) as wire:
        answer = (await open_stream(wire, person)).lower()
        assert b"x-accel-buffering: no" in answer
        assert b"cache-control: no-store" in answer
        assert b"content-length" not in answer
        assert b"content-encoding" not in answer
        for number in range(3):
            await stream.send(str(number))
            assert f"data: {number}\n\n".encode() in await wire.until(f"data: {number}\n\n\r\n".encode(), 1)
        stream.over.set()
    assert upstream.requests[0].header("accept-encoding") == "identity"


@vector("SSE-002")
async def test_leaving_cancels_in_the_modern_era(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    for _ in range(20):
        stream = Stream(upstream)
        upstream.disconnected.clear()
        async with Wire(door.url) as wire:
            await open_stream(wire, person)
            await stream.send("first")
            await wire.until(b"first")
        async with asyncio.timeout(2):
            await (await stream.exchange).closed.wait()
        stream.over.set()
    assert not door.house.gateway.exchanges
    assert not door.house.gateway.streams


@vector("SSE-002")
async def test_leaving_cancels_nothing_in_the_eras_before(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    stream = Stream(upstream)
    async with Wire(door.url) as wire:
        await open_stream(wire, person, version="2025-11-25")
        await stream.send("first")
        await wire.until(b"first")
    exchange = await stream.exchange
    for _ in range(20):
        await asyncio.sleep(0.01)
        await stream.send("nobody reads this")
    assert not exchange.closed.is_set()
    await exchange.end()
    stream.over.set()
    async with asyncio.timeout(2):
        while door.house.gateway.exchanges:
            await asyncio.sleep(0.01)


async def test_a_get_stream_of_a_session_ends_with_its_client(door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    stream = Stream(upstream)
    async with Wire(door.url) as wire:
        answer = await open_stream(wire, person, version="2025-11-25")
        session = answer.lower().split(b"mcp-session-id: ")[1].split(b"\r\n")[0].decode()
        stream.over.set()
    session = session[:2] + answer.split(b"s.")[1][:22].decode()
    listening = Stream(upstream)
    async with Wire(door.url) as wire:
        assert (await open_stream(wire, person, version="2025-11-25", method="GET", session=session)).startswith(
            b"HTTP/1.1 200"
        )
    async with asyncio.timeout(2):
        await (await listening.exchange).closed.wait()
    listening.over.set()


@vector("SSE-003")
async def test_an_upstream_that_breaks_off_is_no_end(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send(b"20\r\ndata: half an ev")
        exchange.writer.transport.abort()

    upstream.answer = answer
    async with Wire(door.url) as wire:
        await open_stream(wire, person)
        rest = await wire.rest()
    assert rest.closed
    assert b"0\r\n\r\n" not in rest.data
    assert not door.house.gateway.exchanges


@vector("SSE-004")
async def test_strange_events_cost_no_memory(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    piece = b"data: " + b"x" * 65_000
    total = 400

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send(b"6\r\n\xef\xbb\xbf\x00\r\xff\r\n")
        for _ in range(total):  # one line of 26 MB
            await exchange.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await exchange.end()

    upstream.answer = answer
    async with Wire(door.url) as wire:
        await open_stream(wire, person)
        received = 0
        async with asyncio.timeout(20):
            while data := await wire.reader.read(1 << 20):
                received += len(data)
                if data.endswith(b"0\r\n\r\n"):
                    break
    assert received > total * 65_000


async def test_a_slow_reader_slows_the_upstream(door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    sent = 0

    async def answer(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.begin_events()
        while not exchange.closed.is_set():
            data = b"data: " + b"x" * 65_000 + b"\n\n"
            await exchange.send(b"%x\r\n%b\r\n" % (len(data), data))
            sent += len(data)

    upstream.answer = answer
    async with Wire(door.url) as wire:
        await open_stream(wire, person)
        await asyncio.sleep(0.5)  # reads nothing
        before = sent
        await asyncio.sleep(0.3)
        assert sent == before
        assert sent < 30 * 1024 * 1024  # what sockets and transports hold


@vector("SSE-006")
async def test_a_stream_ends_soon_after_its_token_expires(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    stream = Stream(upstream)
    async with Wire(door.url) as wire:
        await open_stream(wire, person)
        loop = asyncio.get_running_loop()
        door.house.gateway.tick(loop.time() + 600 + 29)
        await stream.send("still here")
        await wire.until(b"still here")
        door.house.gateway.tick(loop.time() + 600 + 31)
        rest = await wire.rest()
    assert rest.closed
    assert rest.data.endswith(b"0\r\n\r\n")
    async with asyncio.timeout(2):
        await (await stream.exchange).closed.wait()
    stream.over.set()


@vector("SSE-006")
async def test_a_stream_ends_when_its_token_is_revoked(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    stream = Stream(upstream)
    async with Wire(door.url) as wire:
        await open_stream(wire, person)
        form = {"token": person.refresh_token, "client_id": person.flow.client["client_id"]}
        assert (await door.http.post(f"{door.url}/revoke", data=form)).status_code == 200
        rest = await wire.rest()
    assert rest.closed
    assert rest.data.endswith(b"0\r\n\r\n")
    stream.over.set()


@vector("SSE-007")
async def test_a_quiet_stream_is_kept_alive_between_events_only(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    person = await door.sign_in()
    stream = Stream(upstream)
    loop = asyncio.get_running_loop()
    async with Wire(door.url) as wire:
        await open_stream(wire, person)
        await stream.send("one")
        await wire.until(b"one\n\n\r\n")
        door.house.gateway.tick(loop.time() + 26)
        assert await wire.until(b"\n\n\r\n", 1) == b"f\r\n: still there\n\n\r\n"
        exchange = await stream.exchange
        await exchange.send(b"a\r\ndata: half\r\n")
        await wire.until(b"half\r\n")
        door.house.gateway.tick(loop.time() + 60)
        await exchange.send(b"8\r\n of one\n\r\n")
        assert b"still there" not in await wire.until(b" of one\n\r\n")
        stream.over.set()


async def test_stopping_ends_streams_and_finishes_calls(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url) as door:
        person = await door.sign_in()
        stream = Stream(upstream)
        async with Wire(door.url) as wire:
            await open_stream(wire, person, method="GET")
            call_begun = asyncio.Event()

            async def slow(exchange: Exchange) -> None:
                call_begun.set()
                await asyncio.sleep(0.3)
                body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}).encode()
                await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

            upstream.answer = slow
            call = asyncio.create_task(door.call(person.access_token))
            await call_begun.wait()
            door.serving.stop()
            assert (await wire.rest()).data.endswith(b"0\r\n\r\n")
            assert (await call).status_code == 200
        stream.over.set()


@pytest.mark.parametrize("lifetime", ["30s", "10m"])
async def test_the_deadline_follows_the_configured_lifetime(
    tmp_path: Path, upstream: RecordingUpstream, lifetime: str
) -> None:
    async with open_door(tmp_path, upstream.url, tokens={"access_token_lifetime": lifetime}) as door:
        person = await door.sign_in()
        seconds = {"30s": 30, "10m": 600}[lifetime]
        assert person.tokens["expires_in"] == timedelta(seconds=seconds).total_seconds()
        stream = Stream(upstream)
        async with Wire(door.url) as wire:
            await open_stream(wire, person)
            (live,) = door.house.gateway.streams
            left = live.deadline - asyncio.get_running_loop().time()
            assert seconds < left <= seconds + 30
        stream.over.set()


@vector("SSE-006")
async def test_a_stream_does_not_begin_after_its_revocation(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    """Streams end within 60 s of a revocation, also those that have not begun when it happens."""
    signed_in = await door.sign_in()
    go, begun, late = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await go.wait()
        await exchange.begin_events()
        await exchange.event("secret-1")
        begun.set()
        await late.wait()
        await exchange.event("secret-2")
        await asyncio.sleep(5)

    upstream.answer = slow
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=signed_in.access_token) + BODY)
        await upstream.arrived.wait()
        form = {"token": signed_in.refresh_token, "client_id": signed_in.flow.client["client_id"]}
        assert (await door.http.post(f"{door.url}/revoke", data=form)).status_code == 200
        assert (await door.call(signed_in.access_token)).status_code == 401
        go.set()
        await begun.wait()
        await asyncio.sleep(0.2)
        door.house.gateway.tick(asyncio.get_running_loop().time() + 90)  # a minute and a half later
        late.set()
        answer = await wire.rest(2)
    assert answer.status == 401
    assert b"secret" not in answer.data


@vector("SSE-006")
async def test_a_document_may_be_finished_soon_after_its_revocation(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    signed_in = await door.sign_in()
    go, over = asyncio.Event(), asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await go.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789")
        await over.wait()

    upstream.answer = slow
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=signed_in.access_token) + BODY)
        await upstream.arrived.wait()
        form = {"token": signed_in.refresh_token, "client_id": signed_in.flow.client["client_id"]}
        assert (await door.http.post(f"{door.url}/revoke", data=form)).status_code == 200
        go.set()
        await wire.until(b"0123456789")
        door.house.gateway.tick(asyncio.get_running_loop().time() + 31)
        assert (await wire.rest()).closed
    over.set()


@vector("SSE-006")
async def test_a_request_that_is_not_whole_when_its_token_is_revoked_does_not_leave(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    signed_in = await door.sign_in()
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=signed_in.access_token) + BODY[:-1])
        while not door.house.gateway.exchanges:
            await asyncio.sleep(0.01)
        form = {"token": signed_in.refresh_token, "client_id": signed_in.flow.client["client_id"]}
        assert (await door.http.post(f"{door.url}/revoke", data=form)).status_code == 200
        await wire.send(BODY[-1:])
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 401")
    assert upstream.requests == []


async def test_a_document_cut_off_by_the_end_of_the_gateway_does_not_look_whole(
    door: Door, upstream: RecordingUpstream
) -> None:
    token = (await door.sign_in()).access_token

    async def half(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'f\r\n{"pay":"100"}, \r\n'
        )
        await asyncio.sleep(10)

    upstream.answer = half
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        await wire.until(b'"100"}')
        await door.house.gateway.close()
        answer = await wire.rest(1)
    assert answer.closed
    assert not answer.data.endswith(b"0\r\n\r\n"), "the framing says that this was all"
