"""Who is slow makes the other side wait, and costs us little while it does: counted in bytes, not in seconds."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.house import Door, open_door
from tests.support.wire import Wire, head
from vestibule.gateway.lane import Lane
from vestibule.gateway.proxied import ProxiedExchange
from vestibule.gateway.upstreams.http import HttpLine
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}'
MB = 1024 * 1024
MOST = 300_000  # bytes that wait in our process for somebody slow


def waiting(door: Door) -> int:
    """Bytes that wait in our process for somebody to take them, on all connections of both sides."""
    lines = [line for pool in door.house.gateway.pools.values() for line in pool._open]  # type: ignore[attr-defined]
    return sum(one.transport.get_write_buffer_size() for one in (*door.house.gateway.lanes, *lines))


async def settled(value: Callable[[], int]) -> int:
    """What a growing number is when it does not grow any more."""
    last, same = -1, 0
    async with asyncio.timeout(20):
        while same < 10:
            await asyncio.sleep(0.02)
            now = value()
            last, same = now, same + 1 if now == last else 0
    return last


class SlowWire(Wire):
    """A client whose kernel takes little for it, and which is read from piece by piece."""

    async def __aenter__(self) -> "SlowWire":
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        one.setblocking(False)
        await asyncio.get_running_loop().sock_connect(one, self._address)
        self.reader, self.writer = await asyncio.open_connection(sock=one, limit=16 * 1024)
        return self


@pytest.mark.parametrize("framing", ["length", "chunks", "events"])
async def test_ten_megabytes_for_a_slow_reader_wait_at_the_upstream(
    door: Door, upstream: RecordingUpstream, framing: str
) -> None:
    token = (await door.sign_in()).access_token
    sent, total = 0, 30 * MB
    piece = b"data: " + b"x" * 65_528 + b"\n\n"

    async def answer(exchange: Exchange) -> None:
        nonlocal sent
        if framing == "length":
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        else:
            kind = b"text/event-stream" if framing == "events" else b"application/json"
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % kind)
        while sent < total:
            size = min(len(piece), total - sent)
            await exchange.send(piece[:size] if framing == "length" else b"%x\r\n%b\r\n" % (size, piece[:size]))
            sent += size
        if framing != "length":
            await exchange.end()

    upstream.answer = answer
    async with SlowWire(door.url) as wire:
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        stuck = await settled(lambda: sent)
        assert stuck < total  # the rest of it waits where it is made
        most, received = waiting(door), 0
        while received < total:
            received += len(await wire.reader.read(16 * 1024))
            most = max(most, waiting(door))
    assert 0 < most <= MOST


async def test_an_upstream_that_does_not_read_holds_its_client(tmp_path: Path) -> None:
    taken = asyncio.Event()
    received = 0

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await taken.wait()
        while data := await reader.read(MB):
            received += len(data)
        writer.close()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(deaf, sock=listener, limit=16 * 1024)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    sent, total = 0, 60 * MB
    async with server, open_door(tmp_path, url, http={"max_body": "64MB"}) as door:
        token = (await door.sign_in()).access_token
        async with SlowWire(door.url) as wire:
            await wire.send(head(wire.host, f"Content-Length: {total}", token=token))

            async def upload() -> None:
                nonlocal sent
                while sent < total:
                    await wire.send(b"x" * 65_536)
                    sent += 65_536

            uploading = asyncio.create_task(upload())
            stuck = await settled(lambda: sent)
            assert 0 < stuck < total
            assert 0 < waiting(door) <= MOST + 64 * 1024
            taken.set()
            async with asyncio.timeout(20):
                while sent < stuck + MB or received < MB:
                    await asyncio.sleep(0.01)
            uploading.cancel()
            wire.writer.transport.abort()


async def test_who_leaves_while_not_read_from_is_noticed(tmp_path: Path) -> None:
    """The client is not read because the upstream takes no more of its body; so nobody would tell of its end."""
    gone = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=16 * 1024)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    async with server, open_door(tmp_path, url, http={"max_body": "64MB"}) as door:
        token = (await door.sign_in()).access_token
        async with SlowWire(door.url) as wire:
            await wire.send(head(wire.host, f"Content-Length: {60 * MB}", token=token))
            sent = 0

            async def upload() -> None:
                nonlocal sent
                while True:
                    await wire.send(b"x" * 65_536)
                    sent += 65_536

            uploading = asyncio.create_task(upload())
            await settled(lambda: sent)
            uploading.cancel()
            assert door.house.gateway.exchanges
            reset_by_close = struct.pack("ii", 1, 0)
            wire.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_by_close)
            wire.writer.transport.abort()
        async with asyncio.timeout(2):
            while door.house.gateway.exchanges or door.house.gateway.pools["main"].size:
                await asyncio.sleep(0.02)
        gone.set()


# --- a thousand times -----------------------------------------------------------------------------------------------


def counted(*kinds: type) -> int:
    gc.collect()
    return sum(isinstance(one, kinds) for one in gc.get_objects())


@asynccontextmanager
async def nothing_left(door: Door) -> AsyncIterator[None]:
    gateway = door.house.gateway
    before, lanes = (len(asyncio.all_tasks()), counted(ProxiedExchange, Lane)), len(gateway.lanes)
    yield
    async with asyncio.timeout(5):
        while gateway.exchanges or len(gateway.lanes) > lanes or gateway.pools["main"].size > 1:
            await asyncio.sleep(0.02)
            gateway.pools["main"].tick(asyncio.get_running_loop().time() + 5)
    assert not gateway.streams
    await asyncio.sleep(0.1)
    assert counted(ProxiedExchange, Lane) <= before[1] + 2
    assert counted(HttpLine) <= 1
    assert len(asyncio.all_tasks()) <= before[0] + 2


async def leave(door: Door, token: str, version: str) -> None:
    async with Wire(door.url) as wire:
        lines = (f"MCP-Protocol-Version: {version}", f"Content-Length: {len(BODY)}")
        await wire.send(head(wire.host, *lines, token=token) + BODY)
        await wire.until(b"first")
        wire.writer.transport.abort()


@pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25"])
async def test_a_thousand_clients_that_leave_leave_nothing(
    door: Door, upstream: RecordingUpstream, version: str
) -> None:
    """SSE-002, in numbers: in the modern era each cancels its call, in the others each call runs to its end."""
    token = (await door.sign_in()).access_token
    cancelled = finished = 0

    async def answer(exchange: Exchange) -> None:
        nonlocal cancelled, finished
        await exchange.begin_events()
        await exchange.event("first")
        if version == "2026-07-28":
            async with asyncio.timeout(1):
                await exchange.closed.wait()
            cancelled += 1
        else:
            await asyncio.sleep(0.03)
            await exchange.event("last")
            await exchange.end()
            finished += 1

    upstream.answer = answer
    async with nothing_left(door):
        for _ in range(50):
            await asyncio.gather(*[leave(door, token, version) for _ in range(20)])
        async with asyncio.timeout(5):
            while cancelled + finished < 1000:
                await asyncio.sleep(0.02)
    assert (cancelled, finished) == ((1000, 0) if version == "2026-07-28" else (0, 1000))


# --- a client that closes its half ----------------------------------------------------------------------------------


async def test_a_client_that_closes_its_half_has_left(door: Door, upstream: RecordingUpstream) -> None:
    """What follows a half-close cannot be told from what follows a close: both cancel."""
    token = (await door.sign_in()).access_token
    ended = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event("first")
        await exchange.closed.wait()
        ended.set()

    upstream.answer = answer
    async with Wire(door.url) as wire:
        lines = ("MCP-Protocol-Version: 2026-07-28", f"Content-Length: {len(BODY)}")
        await wire.send(head(wire.host, *lines, token=token) + BODY)
        await wire.until(b"first")
        wire.writer.write_eof()
        assert (await wire.rest()).closed
        async with asyncio.timeout(1):
            await ended.wait()


@pytest.mark.parametrize(("content", "lives"), [(b"application/json", False), (b"text/event-stream", True)])
async def test_an_upstream_that_sends_a_byte_a_minute(
    tmp_path: Path, upstream: RecordingUpstream, monkeypatch: pytest.MonkeyPatch, content: bytes, lives: bool
) -> None:
    """A stream may be as quiet as that; a document has an end."""
    upstreams = [{"name": "main", "url": upstream.url, "timeouts": {"idle_stream": "300s"}}]

    async def answer(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: 999\r\n\r\n{" % content)
        await exchange.closed.wait()

    upstream.answer = answer
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door, Wire(door.url) as wire:
        token = (await door.sign_in()).access_token
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        await wire.until(b"{")
        (exchange,) = door.house.gateway.exchanges
        assert isinstance(exchange, ProxiedExchange)
        loop = asyncio.get_running_loop()
        now = loop.time()
        with monkeypatch.context() as patched:
            for later in range(60, 480, 60):
                patched.setattr(loop, "time", lambda later=later: now + later)
                exchange.upstream_data(b" ")
                exchange.upstream_flush()
                exchange.tick(now + later)
        assert (exchange in door.house.gateway.exchanges) is lives
