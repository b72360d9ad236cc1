"""One connection, several requests: what belongs to one never becomes part of another."""

import asyncio

import pytest

from tests.gateway.requests import request_of
from tests.support.house import Door
from tests.support.wire import Wire, head
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream, raw_answer

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


async def test_the_body_of_a_refused_request_is_not_the_next_request(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        inner = head(wire.host, "Content-Length: 0", token=token)
        await wire.send(head(wire.host, f"Content-Length: {len(inner)}"))
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 401")
        for start in range(0, len(inner), 40):  # what it swallows comes late, and looks like a request
            await wire.send(inner[start : start + 40])
            await asyncio.sleep(0.005)
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        answer = await wire.rest(0.5)
    assert answer.data.count(b"HTTP/1.1 200") == 1
    assert [request.body for request in upstream.requests] == [BODY]


async def test_an_answer_before_the_request_was_whole_ends_both_connections(
    door: Door, upstream: RecordingUpstream
) -> None:
    token = (await door.sign_in()).access_token

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
        await writer.drain()
        await reader.read(1 << 20)
        writer.close()

    assert upstream._server is not None
    port = upstream.port
    upstream._server.close()
    server = await asyncio.start_server(early, "127.0.0.1", port)
    try:
        async with Wire(door.url) as wire:
            await wire.send(head(wire.host, "Content-Length: 200000", token=token) + b"x" * 100_000)
            answer_head = await wire.until(b"\r\n\r\n")
            assert answer_head.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer_head
            rest = await wire.rest()
        assert rest.data == b"early"
        assert rest.closed
        assert door.house.gateway.pools["main"].take(request_of("default")) is None
    finally:
        server.close()


async def test_bytes_behind_an_empty_answer_are_not_the_next_one(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    upstream.answer = raw_answer(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    for _ in range(3):
        answer = await door.call(token)
        assert b"evil" not in answer.content
        assert answer.status_code in (204, 502)


async def test_informational_answers_stay_behind_the_door(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    upstream.answer = raw_answer(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    )
    answer = await door.call(token)
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert "link" not in answer.headers


async def test_many_clients_at_once_get_their_own_answers(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token

    async def echo(exchange: Exchange) -> None:
        body = exchange.request.body
        await asyncio.sleep(0.001 * (len(body) % 7))
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    upstream.answer = echo
    bodies = [b"%d" % number * (number % 50 + 1) for number in range(200)]
    answers = await asyncio.gather(*[door.call(token, content=body) for body in bodies])
    assert [answer.content for answer in answers] == bodies


async def test_a_chunked_body_keeps_its_chunks_after_an_early_answer(door: Door, upstream: RecordingUpstream) -> None:
    """Were the answer's framing used for the rest of the request, a chunk of it would be a request to the upstream."""
    token = (await door.sign_in()).access_token
    seen = bytearray()
    answered, arrived = asyncio.Event(), asyncio.Event()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        answered.set()
        while data := await reader.read(1 << 16):
            seen.extend(data)
            if b"/admin" in seen:
                arrived.set()
                break
        writer.close()

    port = upstream.port
    assert upstream._server is not None
    upstream._server.close()
    server = await asyncio.start_server(early, "127.0.0.1", port, reuse_address=True)
    smuggled = (
        b"0\r\n\r\nPOST /admin/users HTTP/1.1\r\nHost: internal\r\nX-Forwarded-User: root\r\nContent-Length: 0\r\n\r\n"
    )
    async with server, Wire(door.url) as wire:
        big = b"a" * 70_000
        await wire.send(head(wire.host, "Transfer-Encoding: chunked", token=token) + b"%x\r\n%b\r\n" % (len(big), big))
        await answered.wait()
        await wire.until(b"{")  # the head of the answer has come through
        await wire.send(b"%x\r\n%b\r\n" % (len(smuggled), smuggled))
        async with asyncio.timeout(3):
            await arrived.wait()
    after = bytes(seen[seen.index(big) + len(big) :])
    assert after.startswith(b"\r\n%x\r\n0\r\n\r\nPOST /admin" % len(smuggled)), after


async def test_a_body_of_known_length_is_not_chunked_after_an_early_answer(
    door: Door, upstream: RecordingUpstream
) -> None:
    """The other way round: chunk sizes would be written into a body that has a Content-Length."""
    token = (await door.sign_in()).access_token
    seen = bytearray()
    answered, arrived = asyncio.Event(), asyncio.Event()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
        answered.set()
        while data := await reader.read(1 << 16):
            seen.extend(data)
            if b"bbbb" in seen:
                arrived.set()
                break
        writer.close()

    port = upstream.port
    assert upstream._server is not None
    upstream._server.close()
    server = await asyncio.start_server(early, "127.0.0.1", port, reuse_address=True)
    async with server, Wire(door.url) as wire:
        await wire.send(head(wire.host, "Content-Length: 70004", token=token) + b"a" * 70_000)
        await answered.wait()
        await wire.until(b"{")
        await wire.send(b"bbbb")
        async with asyncio.timeout(3):
            await arrived.wait()
    assert bytes(seen[seen.rindex(b"a") + 1 :]) == b"bbbb"


async def test_an_answer_that_began_early_is_not_cut_off_when_its_request_is_whole(
    door: Door, upstream: RecordingUpstream
) -> None:
    """The time for the first byte begins with the end of the request, unless that byte has come already."""
    token = (await door.sign_in()).access_token

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nearly")
        await reader.readuntil(b"the end")
        writer.write(b", late")
        await reader.read()
        writer.close()

    port = upstream.port
    assert upstream._server is not None
    upstream._server.close()
    server = await asyncio.start_server(early, "127.0.0.1", port, limit=1 << 20)
    async with server, Wire(door.url) as wire:
        await wire.send(head(wire.host, "Content-Length: 100007", token=token) + b"x" * 100_000)
        await wire.until(b"early")
        await wire.send(b"the end")
        await wire.until(b", late")
        (exchange,) = door.house.gateway.exchanges
        assert exchange.deadline == 0


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_body_behind_a_declined_upgrade_is_a_body(
    door: Door, upstream: RecordingUpstream, framing: str
) -> None:
    """Java's client offers h2c with its first request, and that is a POST."""
    token = (await door.sign_in()).access_token
    line = f"Content-Length: {len(BODY)}" if framing == "length" else "Transfer-Encoding: chunked"
    body = BODY if framing == "length" else b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")
    async with Wire(door.url) as wire:
        for lines in (offer, offer, ()):
            message = head(wire.host, *lines, line, token=token) + body
            for start in range(0, len(message), 50):
                await wire.send(message[start : start + 50])
                await asyncio.sleep(0.002)
            assert (await wire.until(b"}}")).startswith(b"HTTP/1.1 200")
        await wire.send(head(wire.host, *offer, line) + body)  # refused, and its body read past
        assert (await wire.until(b"}}}")).startswith(b"HTTP/1.1 401")
    assert [request.body for request in upstream.requests] == [BODY] * 3


async def test_a_form_behind_a_declined_upgrade_is_a_form(door: Door) -> None:
    form = b"grant_type=authorization_code&client_id=nobody"
    async with Wire(door.url) as wire:
        lines = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}")
        await wire.send(head(wire.host, "Connection: Upgrade", "Upgrade: h2c", *lines, path="/token") + form)
        assert b"invalid_client" in await wire.until(b"}")


async def test_a_refusal_of_head_has_no_body(door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, method="HEAD"))
        answer = await wire.rest(0.3)
        assert answer.status == 405
        assert answer.data.endswith(b"\r\n\r\n")
        assert not answer.closed
        await wire.send(head(wire.host, "Content-Length: 0"))
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 401")


async def test_whoever_was_not_told_to_go_on_and_does_not_is_not_waited_for_on_the_connection(door: Door) -> None:
    """Who takes the refusal for the end sends another request next, and not the body (RFC 9110 §10.1.1)."""
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Expect: 100-continue", "Content-Length: 46"))
        answer = await wire.rest(0.3)
        assert answer.status == 401
        assert b"connection: close\r\n" in answer.data
        await wire.send(head(wire.host, "Content-Length: 0"))
        assert (await wire.rest()).data == b""


async def test_who_was_told_to_go_on_keeps_the_connection(door: Door) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        for _ in range(2):
            await wire.send(head(wire.host, "Expect: 100-continue", f"Content-Length: {len(BODY)}", token=token))
            assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            await wire.send(BODY)
            assert b"connection: close" not in await wire.until(b"}}")
