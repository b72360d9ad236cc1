"""Whatever an upstream does, the gateway stays, the right caller is told, and nothing is held."""

import asyncio
import gzip
import socket
import struct
from pathlib import Path

import pytest

from tests.security.vectors import vector
from tests.support.house import Door, open_door
from tests.support.second_reader import read_answer
from tests.support.wire import Wire, head
from vestibule.testing.recording_upstream import Answer, Exchange, RecordingUpstream, json_answer

BODY = b'{"jsonrpc":"2.0","id":7,"method":"tools/call"}'
OK = b"HTTP/1.1 200 OK\r\n"
EVENTS = OK + b"Content-Type: text/event-stream\r\n"


def then_reset(data: bytes) -> Answer:
    """These bytes, and a reset behind them once they have arrived."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(data)
        await asyncio.sleep(0.05)
        one = exchange.writer.get_extra_info("socket")
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        exchange.writer.transport.abort()

    return answer


async def nothing_held(door: Door) -> None:
    async with asyncio.timeout(2):
        while door.house.gateway.exchanges or door.house.gateway.streams:
            await asyncio.sleep(0.01)


@vector("SSE-003")
@pytest.mark.parametrize(
    ("data", "begun"),
    [
        (b"", False),
        (b"HTTP/1.1 2", False),
        (OK + b"Content-Type: text/ev", False),
        (OK + b"Content-Length: 99\r\n\r\nhalf", True),
        (EVENTS + b"Content-Length: 99\r\n\r\ndata: half an ev", True),
        (EVENTS + b"Transfer-Encoding: chunked\r\n\r\n20\r\ndata: half an ev", True),
        (EVENTS + b"\r\ndata: half an ev", True),
    ],
    ids=["nothing", "half a status", "half a head", "a document", "events by length", "chunks", "until the end"],
)
async def test_a_reset_is_told_or_breaks_off(
    vector: str, door: Door, upstream: RecordingUpstream, data: bytes, begun: bool
) -> None:
    token = (await door.sign_in()).access_token
    upstream.answer = then_reset(data)
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        if begun:
            rest = await wire.rest()
            assert rest.closed
            assert read_answer(rest.data, closed=True) is None  # not one that looks whole
        else:
            answer = await wire.until(b"}}}")
            assert answer.startswith(b"HTTP/1.1 502")
            assert b'"id":7' in answer.replace(b" ", b"")
    await nothing_held(door)
    upstream.answer = json_answer({})
    assert (await door.call(token)).status_code == 200


async def test_who_hangs_gives_its_place_back(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """FLT-34: with a head that drips, which is no answer either."""
    upstreams = [{"name": "main", "url": upstream.url, "timeouts": {"first_byte": "1s"}}]

    async def drip(exchange: Exchange) -> None:
        for letter in OK:
            await exchange.send(bytes([letter]))
            await asyncio.sleep(0.5)

    upstream.answer = drip
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        token = (await door.sign_in()).access_token
        assert (await door.call(token)).status_code == 504
        await nothing_held(door)
        assert door.house.gateway.pools["main"].size == 0
        upstream.answer = json_answer({})
        assert (await door.call(token)).status_code == 200


@vector("PROXY-018")
@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, gzip"])
async def test_nothing_is_ever_unpacked(vector: str, door: Door, upstream: RecordingUpstream, coding: str) -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)

    async def answer(exchange: Exchange) -> None:
        await exchange.send(OK + f"Content-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode() + bomb)

    upstream.answer = answer
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        lines = (f"Content-Length: {len(BODY)}", "Accept-Encoding: gzip", "Connection: close")
        await wire.send(head(wire.host, *lines, token=token) + BODY)
        passed = read_answer((await wire.rest()).data, closed=True)
    assert passed is not None
    assert passed[:2] == (200, bomb)
    assert upstream.requests[0].header("accept-encoding") == "identity"


@vector("SSE-004")
async def test_a_line_of_a_hundred_megabytes_is_never_in_here(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    token = (await door.sign_in()).access_token
    piece, pieces = b"x" * 250_000, 400

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send(b"c\r\n\xef\xbb\xbf\x00\r\xff\ndata:\r\n")
        for _ in range(pieces):
            await exchange.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await exchange.end()

    upstream.answer = answer
    most = received = 0
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        async with asyncio.timeout(60):
            while data := await wire.reader.read(1 << 20):
                received += len(data)
                lanes = door.house.gateway.lanes
                most = max(most, *(lane.transport.get_write_buffer_size() for lane in lanes))
                if data.endswith(b"0\r\n\r\n"):
                    break
    assert received > pieces * len(piece)
    assert most <= 300_000


@vector("SSE-007")
@pytest.mark.parametrize(("method", "version"), [("GET", "2025-11-25"), ("POST", "2026-07-28")])
async def test_a_listen_stream_is_never_silent_for_thirty_seconds(
    vector: str, door: Door, upstream: RecordingUpstream, method: str, version: str
) -> None:
    token = (await door.sign_in()).access_token

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.closed.wait()

    upstream.answer = answer
    body = BODY if method == "POST" else b""
    lines = (f"MCP-Protocol-Version: {version}", "Accept: text/event-stream", f"Content-Length: {len(body)}")
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, *lines, method=method, token=token) + body)
        await wire.until(b"\r\n\r\n")
        now = asyncio.get_running_loop().time()
        for second in range(31):
            door.house.gateway.tick(now + second)
        assert (await wire.until(b"\n\n\r\n", 1)).startswith(b"f\r\n: still there")


@pytest.mark.parametrize("read_before", [b"", gzip.compress(b"data: one\n\n") + b"\n\n"])
async def test_nothing_of_ours_is_put_into_a_stream_that_an_upstream_has_compressed(
    door: Door, upstream: RecordingUpstream, read_before: bytes
) -> None:
    token = (await door.sign_in()).access_token
    lines = b"Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def answer(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n" + lines)
        if read_before:
            await exchange.send(b"%x\r\n%b\r\n" % (len(read_before), read_before))
        await exchange.closed.wait()

    upstream.answer = answer
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Accept: text/event-stream", method="GET", token=token))
        await wire.until(b"\r\n\r\n")
        if read_before:
            await wire.until(read_before)
        door.house.gateway.tick(asyncio.get_running_loop().time() + 31)
        assert b"still there" not in (await wire.rest(0.3)).data
