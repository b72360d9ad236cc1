"""One connection, several requests: what belongs to one never becomes part of another."""

import asyncio

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
        assert door.house.gateway.pools["main"].take() is None
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
