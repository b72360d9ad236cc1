"""The small HTTP server under the scripted parts: it says what it is told to, and knows what it was sent."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from vestibule.testing.scripted_http import (
    Answer,
    Fault,
    ReceivedRequest,
    ScriptedServer,
    cut,
    disconnect,
    drip,
    garbage,
    hang,
    huge,
    slow,
)


class Hello(ScriptedServer):
    async def respond(self, request: ReceivedRequest) -> Answer:
        return Answer(200, b"hello")


RIGHT = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
async def server() -> AsyncIterator[Hello]:
    async with Hello() as running:
        yield running


async def say(server: ScriptedServer, data: bytes) -> bytes:
    """All that comes back until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


def get(path: str = "/x", *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


async def test_what_it_was_sent(server: Hello) -> None:
    body = b"a=1&b=%20x&empty="
    lines = [
        "POST /p/q?y=%C3%BC&y=2 HTTP/1.1",
        "Content-Type: application/x-www-form-urlencoded",
        "X-One: 1 ",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    await say(server, "\r\n".join([*lines, "", ""]).encode() + body)
    (request,) = server.received
    assert (request.method, request.target, request.path) == ("POST", "/p/q?y=%C3%BC&y=2", "/p/q")
    assert (request.headers["x-one"], request.body) == ("1", body)
    assert request.query == {"y": "2"}
    assert request.form == {"a": "1", "b": " x", "empty": ""}
    assert request.parameters == {"y": "2", "a": "1", "b": " x", "empty": ""}


async def test_a_connection_serves_until_it_is_told_to_close(server: Hello) -> None:
    assert await say(server, get() + get("/y") + get("/z", "Connection: close")) == RIGHT * 3
    assert [request.path for request in server.received] == ["/x", "/y", "/z"]
    assert server.connections == 1
    assert server.bytes_sent == 3 * len(RIGHT)


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"", b"\x16\x03\x01\r\n\r\n", get("/x", "Content-Length: x")])
async def test_what_is_no_request_ends_the_connection(server: Hello, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    writer.write_eof()
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    assert server.received == []
    assert await say(server, get("/x", "Connection: close")) == RIGHT


@pytest.mark.parametrize(("fault", "sent"), [(cut, RIGHT[:-5]), (disconnect, b"")], ids=["cut", "disconnect"])
async def test_faults_that_end_the_connection(server: Hello, fault: Fault, sent: bytes) -> None:
    server.faults["/bad"] = fault
    assert await say(server, get("/bad")) == sent


@pytest.mark.parametrize("fault", [slow(0.01), drip(0)], ids=["slow", "drip"])
async def test_faults_that_do_not(server: Hello, fault: Fault) -> None:
    server.faults["/bad"] = fault
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(get("/bad"))
    assert await reader.readexactly(len(RIGHT)) == RIGHT
    writer.write(get("/x", "Connection: close"))
    assert await reader.read() == RIGHT
    writer.close()


async def test_a_request_that_comes_early_is_not_lost(server: Hello) -> None:
    server.faults["/slow"] = slow(0.1)
    assert await say(server, get("/slow") + get("/x", "Connection: close")) == RIGHT * 2
    assert [request.path for request in server.received] == ["/slow", "/x"]


async def test_garbage(server: Hello) -> None:
    server.faults["/bad"] = garbage
    assert not (await say(server, get("/bad"))).startswith(b"HTTP")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_huge_body_stops_when_nobody_reads_it(server: Hello, chunked: bool) -> None:
    server.faults["/big"] = huge(chunked=chunked)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(get("/big"))
    head = await reader.readuntil(b"\r\n\r\n")
    assert (b"chunked" in head) == chunked
    assert b"Content-Length: 1073741824" in head or chunked
    await reader.readexactly(200_000)
    writer.transport.abort()
    await until_idle(server)
    assert 200_000 < server.bytes_sent < 64 * 1024 * 1024


async def test_a_huge_body_of_a_size(server: Hello) -> None:
    server.faults["/big"] = huge(300_000)
    assert len((await say(server, get("/big"))).partition(b"\r\n\r\n")[2]) >= 300_000


async def test_hanging_ends_with_the_client_or_the_server(server: Hello) -> None:
    server.faults["/x"] = hang
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(get())
    while not server.received:
        await asyncio.sleep(0.01)
    assert server.open_connections == 1
    writer.close()
    await until_idle(server)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(get())
    while len(server.received) < 2:
        await asyncio.sleep(0.01)
    begun = time.monotonic()
    await server.stop()
    assert time.monotonic() - begun < 5
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()


async def test_stopped_and_started_at_the_same_address(server: Hello) -> None:
    origin = server.origin
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    await server.start()
    assert server.origin == origin
    assert await say(server, get("/x", "Connection: close")) == RIGHT


async def test_by_itself_it_knows_nothing() -> None:
    async with ScriptedServer() as server:
        assert (await say(server, get("/x", "Connection: close"))).startswith(b"HTTP/1.1 404 ")


async def until_idle(server: ScriptedServer) -> None:
    async with asyncio.timeout(10):
        while server.open_connections:
            await asyncio.sleep(0.01)
