"""An HTTP+SSE client by hand: its stream, event by event, and its messages."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.support.house import Door, Flow, SignedIn
from tests.support.wire import Wire, head
from vestibule.protocol.event_stream import Event, EventReader


class SseClient:
    def __init__(self, door: Door, token: str, path: str = "/sse") -> None:
        self.door = door
        self.token = token
        self.endpoint = ""
        self.wire = Wire(door.url)
        self._path = path
        self._reader = EventReader(longest=1 << 24)
        self._events: list[Event] = []

    async def open(self, *lines: str) -> bytes:
        """The head of the answer."""
        await self.wire.send(head(self.wire.host, *lines, method="GET", path=self._path, token=self.token))
        answer = await self.wire.until(b"\r\n\r\n")
        if answer.startswith(b"HTTP/1.1 200"):
            event = await self.event()
            assert event.name == b"endpoint"
            self.endpoint = event.data.decode()
        return answer

    async def event(self, seconds: float = 5) -> Event:
        """Raises `EOFError` at the end of the stream."""
        async with asyncio.timeout(seconds):
            while not self._events:
                size = int(await self.wire.reader.readuntil(b"\r\n"), 16)
                if not size:
                    raise EOFError
                piece = await self.wire.reader.readexactly(size + 2)
                self._events += self._reader.feed(piece[:-2])
        return self._events.pop(0)

    async def message(self, seconds: float = 5) -> dict[str, Any]:
        event = await self.event(seconds)
        assert event.name == b"message"
        return json.loads(event.data)  # type: ignore[no-any-return]

    async def post(self, content: Any, *, token: str | None = None, **options: Any) -> httpx2.Response:
        """A message; bytes are sent as they are."""
        body = content if isinstance(content, bytes) else json.dumps({"jsonrpc": "2.0", **content}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token or self.token}"}
        headers |= options.pop("headers", {})
        url = self.door.url + options.pop("endpoint", self.endpoint)
        return await self.door.http.post(url, content=body, headers=headers, **options)

    async def initialize(self) -> dict[str, Any]:
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
        assert (await self.post({"id": 0, "method": "initialize", "params": params})).status_code == 202
        answer = await self.message()
        assert (await self.post({"method": "notifications/initialized"})).status_code == 202
        return answer


@asynccontextmanager
async def sse_client(person: SignedIn, path: str = "/sse") -> AsyncIterator[SseClient]:
    """A client whose stream is open."""
    client = SseClient(person.door, person.access_token, path)
    async with client.wire:
        assert (await client.open()).startswith(b"HTTP/1.1 200")
        yield client


async def sign_in_for_sse(door: Door, path: str = "/sse", login: str = "ada", *, proof: str | None = None) -> SignedIn:
    """`proof`: of the key that the tokens are to be bound to."""
    flow = Flow(door, await door.register(), resource=f"{door.url}{path}")
    visitor = door.browser()
    flow.code = (await visitor.approve(flow, login))["code"]
    answer = await door.post("/token", flow.form(), headers={"DPoP": proof} if proof else {})
    assert answer.status_code == 200, answer.text
    return SignedIn(door, flow, visitor, answer.json())
