"""How a gateway ends: what is told, what is waited for, and what is not."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.support.certificates import write_certificate
from tests.support.house import Door, SignedIn, open_door
from tests.support.wire import Wire, head
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream
from vestibule.wiring import doorway

RESULT = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}})
BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}'


@pytest.fixture
async def person(door: Door) -> SignedIn:
    return await door.sign_in()


class Streaming:
    """An upstream that answers with an event stream, and ends it when it is told to."""

    def __init__(self, upstream: RecordingUpstream) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        upstream.answer = self

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.begin_events()
        self.begun.set()
        await self.go_on.wait()
        await exchange.event(RESULT)
        await exchange.end()


def call(wire: Wire, person: SignedIn, method: str = "tools/call") -> bytes:
    lines = ("MCP-Protocol-Version: 2026-07-28", f"Mcp-Method: {method}", "Mcp-Name: t", f"Content-Length: {len(BODY)}")
    return head(wire.host, *lines, token=person.access_token) + BODY


async def test_a_stream_that_answers_a_call_goes_on_to_its_answer(
    door: Door, upstream: RecordingUpstream, person: SignedIn
) -> None:
    stream = Streaming(upstream)
    async with Wire(door.url) as wire:
        await wire.send(call(wire, person))
        await stream.begun.wait()
        await wire.until(b"\r\n\r\n")
        door.serving.stop()
        await asyncio.sleep(0.8)  # longer than idle connections are let be
        stream.go_on.set()
        rest = await wire.rest()
        assert RESULT.encode() in rest.data
        assert rest.data.endswith(b"0\r\n\r\n")
        assert rest.closed


async def test_a_stream_that_only_listens_is_ended(door: Door, upstream: RecordingUpstream, person: SignedIn) -> None:
    stream = Streaming(upstream)
    async with Wire(door.url) as wire:
        await wire.send(call(wire, person, "subscriptions/listen"))
        await stream.begun.wait()
        await wire.until(b"\r\n\r\n")
        begun = time.monotonic()
        door.serving.stop()
        assert (await wire.rest()).data.endswith(b"0\r\n\r\n")
        assert time.monotonic() - begun < 1
    stream.go_on.set()


async def test_kept_connections_are_answered_for_the_last_time_and_readiness_says_no(
    door: Door, upstream: RecordingUpstream, person: SignedIn
) -> None:
    async with Wire(door.url) as one, Wire(door.url) as other:
        for wire in (one, other):
            await wire.send(head(wire.host, method="GET", path="/readyz"))
            assert b"200 OK" in await wire.until(b"}")
        door.serving.stop()
        await asyncio.sleep(0.1)
        await one.send(head(one.host, method="GET", path="/readyz"))
        answer = (await one.rest()).data
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"connection: close" in answer
        await other.send(call(other, person))
        rest = await other.rest()
        assert rest.data.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in rest.data
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))


async def test_an_idle_connection_is_not_waited_for(door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, method="GET", path="/healthz"))
        await wire.until(b"ok\n")
        begun = time.monotonic()
        door.serving.stop()
        assert await wire.reader.read() == b""
        assert time.monotonic() - begun < 1.5


async def test_a_handshake_that_is_never_finished_is_ended(
    tmp_path: Path, upstream: RecordingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "HANDSHAKE_SECONDS", 0.3)
    certificate, key = write_certificate(tmp_path, "127.0.0.1")
    async with open_door(tmp_path, upstream.url, tls={"certificate": str(certificate), "key": str(key)}) as door:
        async with Wire(door.url) as wire:
            assert await asyncio.wait_for(wire.reader.read(), 5) == b""
        async with Wire(door.url) as wire:  # plain http, on asyncio's own loop
            await wire.send(head(wire.host, method="GET", path="/healthz"))
            assert (await wire.rest()).data.startswith(b"HTTP/1.1 400")
