"""What one connection may make us hold, or do, has a limit that the client does not choose."""

import asyncio

import pytest

from tests.gateway.requests import request_of
from tests.support.house import Door
from tests.support.wire import Wire, head
from vestibule.gateway.lane import Lane
from vestibule.gateway.upstreams.http import HttpPool
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
FORM = ("Content-Type: application/x-www-form-urlencoded", "Transfer-Encoding: chunked")
REFUSED = b"GET /mcp HTTP/1.1\r\nHost: x\r\n\r\n"


def lane_of(wire: Wire, door: Door) -> Lane | None:
    """The gateway's end of the connection, while there is one."""
    ours = wire.writer.get_extra_info("sockname")
    return next((lane for lane in door.house.gateway.lanes if lane.client == ours), None)


# --- around a body --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [5000, 150])
async def test_trailers_count_toward_the_head(door: Door, lines: int) -> None:
    trailers = b"".join(b"X-T%d: %b\r\n" % (number, b"z" * 100) for number in range(lines))
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, *FORM, path="/token") + b"1\r\na\r\n0\r\n" + trailers + b"\r\n")
        answer = await wire.rest(1)
    assert answer.closed
    assert answer.status == 431


async def test_trailers_of_a_proxied_request_count_too(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    trailers = b"".join(b"X-T%d: %b\r\n" % (number, b"z" * 100) for number in range(5000))
    async with Wire(door.url) as wire:
        body = b"1\r\na\r\n0\r\n" + trailers + b"\r\n"
        await wire.send(head(wire.host, "Transfer-Encoding: chunked", token=token) + body)
        answer = await wire.rest(3)
    assert answer.closed
    assert answer.status == 400
    assert upstream.requests == []


async def pour(wire: Wire, data: bytes) -> None:
    """Four megabytes, and then a look at what comes back. Raises ConnectionError when the other side has gone."""
    for _ in range(1000):
        await wire.send(data)
        await asyncio.sleep(0.002)
    await wire.until(b"never", 0.5)


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"1;x=", b"y" * 4096),
        (b"", b"1;x=" + b"y" * 4096 + b"\r\na\r\n"),
        (b"1\r\na\r\n0\r\nX-Trailer: ", b"y" * 4096),
    ],
    ids=["one long extension", "an extension to every chunk", "one long trailer"],
)
async def test_what_stands_around_chunks_has_a_limit(door: Door, begin: bytes, more: bytes) -> None:
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, *FORM, path="/token") + begin)
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionError):
            await pour(wire, more)


async def test_small_chunks_without_extensions_pass(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Transfer-Encoding: chunked", token=token))
        for _ in range(50):
            await wire.send(b"1\r\nx\r\n" * 1000)
        await wire.send(b"0\r\n\r\n")
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 200")
    assert upstream.requests[0].body == b"x" * 50_000


async def test_a_packet_that_ends_one_request_and_begins_another_weighs_on_neither(
    door: Door, upstream: RecordingUpstream
) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Content-Length: 60000"))
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 401")
        await wire.send(b"x" * 30_000)
        await asyncio.sleep(0.1)
        begun = head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY
        await wire.send(b"x" * 30_000 + begun[:-1])
        await asyncio.sleep(0.1)
        await wire.send(begun[-1:])
        await wire.until(b"HTTP/1.1 200")
    assert len(upstream.requests) == 1


async def test_a_header_line_that_never_ends_is_not_kept(door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(b"GET /mcp HTTP/1.1\r\nX: ")
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionError):
            await pour(wire, b"y" * 4096)


async def test_many_declined_upgrades_in_one_packet_are_read_one_after_the_other(door: Door) -> None:
    """Each makes a new parser; were it fed from within the last one, a packet of them would end our stack."""
    caught: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: caught.append(context))
    one = b"GET /mcp HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"
    try:
        async with Wire(door.url) as wire:
            await wire.send(one * 3500)
            await wire.rest(2)
    finally:
        loop.set_exception_handler(None)
    assert not caught, [str(context.get("exception"))[:100] for context in caught]


# --- a client that does not read ------------------------------------------------------------------------------------


async def test_answers_that_nobody_reads_do_not_pile_up(door: Door) -> None:
    """No token is needed: a refused request costs 60 bytes and its answer 600."""
    async with Wire(door.url) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        most = 0
        for _ in range(60):
            wire.writer.write(REFUSED * 1000)
            await asyncio.sleep(0.02)
            lane = lane_of(wire, door)
            most = max(most, lane.transport.get_write_buffer_size() if lane is not None else 0)
        assert most < 300_000


async def test_a_request_behind_answers_that_nobody_reads_is_not_begun(door: Door, upstream: RecordingUpstream) -> None:
    """asyncio says pause_writing once, on the way up: an exchange that starts above the mark would never hear of it."""
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(10):
            while not any(lane.is_unread for lane in door.house.gateway.lanes):
                wire.writer.write(REFUSED * 200)
                await asyncio.sleep(0.005)
        wire.writer.write(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        await asyncio.sleep(0.5)
        assert not door.house.gateway.exchanges
        assert upstream.requests == []


async def test_a_client_that_does_not_read_is_not_read_from(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token

    async def endless(exchange: Exchange) -> None:
        await exchange.begin_events()
        while not exchange.closed.is_set():
            await exchange.event("x" * 65_536)

    upstream.answer = endless
    async with Wire(door.url) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        async with asyncio.timeout(10):
            while not any(lane.is_unread for lane in door.house.gateway.lanes):
                await asyncio.sleep(0.05)
        lane = lane_of(wire, door)
        assert lane is not None
        assert not lane.transport.is_reading()
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(10):
            while not lane.transport.is_reading():
                await wire.reader.read(1 << 20)


async def test_a_kept_connection_is_read_from_whoever_used_it_last(door: Door, upstream: RecordingUpstream) -> None:
    """A client that read its answer slowly would leave a connection behind on which no answer is ever seen."""
    pool = door.house.gateway.pools["main"]
    assert isinstance(pool, HttpPool)
    acme, globex = request_of("acme"), request_of("globex")
    connection = await pool.connect(acme)
    connection.transport.pause_reading()
    pool.release(connection)
    assert pool.take(globex) is None  # what a server remembers of a connection is one tenant's
    assert pool.take(acme) is connection
    assert connection.transport.is_reading()
