"""An HTTP+SSE server behind us: what we post where, and what we believe of what it says."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from tests.security.vectors import vector
from vestibule.gateway.upstreams.channel import MAX_MESSAGE, Caller
from vestibule.gateway.upstreams.sse import SseChannel
from vestibule.model import Timeouts, Upstream
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream, raw_answer

ACCEPTED = raw_answer(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
TIMEOUTS = Timeouts(connect=timedelta(seconds=2), first_byte=timedelta(seconds=2))


@dataclass
class Ear:
    messages: list[bytes] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, message: bytes) -> None:
        self.messages.append(message)
        self.news.set()

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)
        self.news.set()

    async def hears(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.messages) + len(self.reasons) < count:
                self.news.clear()
                await self.news.wait()


class OldServer:
    """Says `endpoint`, then what the test says; takes messages."""

    def __init__(self, upstream: RecordingUpstream) -> None:
        self.upstream = upstream
        self.endpoint = b"event: endpoint\ndata: /messages/?session_id=7\n\n"
        self.stream: Exchange | None = None
        self.over = asyncio.Event()
        self.take = ACCEPTED
        upstream.answer = self._answer

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.request.method == "POST":
            await self.take(exchange)
            return
        await exchange.begin_events()
        self.stream = exchange
        await self.say(self.endpoint)
        await self.over.wait()

    async def say(self, data: bytes) -> None:
        assert self.stream is not None
        for at in range(0, len(data), 1 << 20):
            piece = data[at : at + (1 << 20)]
            await self.stream.send(b"%x\r\n%b\r\n" % (len(piece), piece))

    @property
    def posted(self) -> list[bytes]:
        return [request.body for request in self.upstream.requests if request.method == "POST"]

    async def was_sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.posted) < count:
                await asyncio.sleep(0.01)

    def channel(self) -> SseChannel:
        upstream = Upstream("old", self.upstream.url.replace("/mcp", "/sse"), transport="sse", timeouts=TIMEOUTS)
        return SseChannel(upstream, ssl.create_default_context, Caller("t", None, [(b"x-key", b"secret")]))


@pytest.fixture
async def server(upstream: RecordingUpstream) -> AsyncIterator[OldServer]:
    one = OldServer(upstream)
    yield one
    one.over.set()


async def opened(server: OldServer) -> tuple[SseChannel, Ear]:
    channel, ear = server.channel(), Ear()
    await channel.open(ear)
    return channel, ear


async def test_messages_go_where_the_server_says_with_our_credential(server: OldServer) -> None:
    channel, ear = await opened(server)
    channel.send(b'{"id":1}')
    await server.was_sent(1)
    await server.say(b'data: {"jsonrpc":"2.0",\ndata: "id":1}\n\n')
    await ear.hears(1)
    assert ear.messages == [b'{"jsonrpc":"2.0", "id":1}']
    get, post = server.upstream.requests
    assert (get.target, get.header("accept"), get.header("x-key")) == ("/sse", "text/event-stream", "secret")
    assert (post.target, post.header("content-type")) == ("/messages/?session_id=7", "application/json")
    assert (post.body, post.header("x-key")) == (b'{"id":1}', "secret")
    channel.close()


async def test_messages_go_in_order_on_one_connection(server: OldServer) -> None:
    channel, _ = await opened(server)
    for number in range(20):
        channel.send(b"%d" % number)
    await server.was_sent(20)
    assert server.posted == [b"%d" % number for number in range(20)]
    assert server.upstream.connections == 2
    channel.close()


async def test_a_server_that_asks_back_before_it_has_taken_a_message_is_answered(server: OldServer) -> None:
    channel, _ = await opened(server)
    answered = asyncio.Event()

    async def take(exchange: Exchange) -> None:
        if b"call" in exchange.request.body:
            await answered.wait()
        answered.set()
        await ACCEPTED(exchange)

    server.take = take
    channel.send(b'"call"')
    channel.send(b'"answer"')
    async with asyncio.timeout(5):
        await answered.wait()
    channel.close()


@pytest.mark.parametrize(
    "said",
    [
        b"https://evil.example/m",
        b"//evil.example/m",
        b"javascript:alert(1)",
        b"/m HTTP/1.1\rHost: evil",
        b"/" + b"a" * 1_000_000,
    ],
    ids=["other-origin", "no-scheme", "javascript", "line-break", "long"],
)
async def test_a_hostile_endpoint_gets_nothing(server: OldServer, said: bytes) -> None:
    server.endpoint = b"event: endpoint\ndata: " + said + b"\n\n"
    ear = Ear()
    with pytest.raises(OSError, match=r"endpoint|ended"):
        await server.channel().open(ear)
    assert server.posted == []
    assert ear.reasons == []


async def test_a_second_endpoint_changes_nothing(server: OldServer) -> None:
    channel, _ = await opened(server)
    await server.say(b"event: endpoint\ndata: /elsewhere\n\n")
    channel.send(b"{}")
    await server.was_sent(1)
    assert server.upstream.requests[-1].target == "/messages/?session_id=7"
    channel.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 307 Elsewhere\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["401", "redirect", "page", "empty"],
)
async def test_what_is_no_stream_is_not_opened(server: OldServer, answer: bytes) -> None:
    server.upstream.answer = raw_answer(answer)
    with pytest.raises(OSError, match=r"stream"):
        await server.channel().open(Ear())
    assert len(server.upstream.requests) == 1


async def test_a_refused_message_ends_its_call(server: OldServer) -> None:
    channel, ear = await opened(server)
    server.take = raw_answer(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
    channel.send(b'{"id":1,"result":{}}')  # an answer of ours: nobody waits for one to it
    channel.send(b'{"id":7,"method":"tools/call"}')
    await ear.hears(1)
    answer = json.loads(ear.messages[0])
    assert (answer["id"], answer["error"]["data"]["error_code"]) == (7, "UPSTREAM_UNAVAILABLE")
    assert ear.reasons == []
    channel.close()


async def test_a_session_that_the_server_does_not_know_is_lost(server: OldServer) -> None:
    channel, ear = await opened(server)
    server.take = raw_answer(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n")
    channel.send(b'{"id":7,"method":"tools/call"}')
    await ear.hears(1)
    assert ear.reasons == ["a message was answered 404"]


@vector("SSE-004")
async def test_strange_events_are_no_messages(vector: str, server: OldServer) -> None:
    channel, ear = await opened(server)
    await server.say(b"data: \x00\xff\n\ndata\n\n\r\r: hm\n\nevent: x\ndata: {}\r\rid: \x00\n\nevent: message\n\n")
    await server.say(b'\xef\xbb\xbfdata: {"id":0}\n\ndata: {"id":1}\r\r')
    await ear.hears(2)
    assert ear.messages == [b"\x00\xff", b'{"id":1}']  # what is no JSON is told of by whoever listens
    channel.close()


@vector("SSE-004")
async def test_a_line_without_end_ends_the_session(vector: str, server: OldServer) -> None:
    _, ear = await opened(server)
    with pytest.raises(ConnectionError):
        await server.say(b"data: " + b"x" * 100 * (1 << 20))
    await ear.hears(1)
    assert ear.reasons == [f"an event is longer than {MAX_MESSAGE} bytes"]
    assert ear.messages == []


@vector("SSE-003")
async def test_half_an_event_is_none(vector: str, server: OldServer) -> None:
    _, ear = await opened(server)
    await server.say(b'data: {"id":1}\n')
    assert server.stream is not None
    server.stream.writer.transport.abort()
    await ear.hears(1)
    assert ear.messages == []
    assert len(ear.reasons) == 1


async def test_a_channel_that_is_paused_does_not_read(server: OldServer) -> None:
    channel, ear = await opened(server)
    channel.pause()
    event = b'data: {"id":1,"text":"' + b"x" * 65_000 + b'"}\n\n'
    filling = asyncio.create_task(server.say(event * 500))
    done, _ = await asyncio.wait({filling}, timeout=0.5)
    assert not done
    assert len(ear.messages) < 10
    channel.resume()
    await filling
    await ear.hears(500)
    channel.close()


async def test_closing_ends_the_stream_and_is_told_once(server: OldServer) -> None:
    channel, ear = await opened(server)
    channel.close()
    channel.close()
    await ear.hears(1)
    assert ear.reasons == ["closed"]
    assert server.stream is not None
    async with asyncio.timeout(5):
        await server.stream.closed.wait()
