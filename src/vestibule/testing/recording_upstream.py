"""An upstream that records the bytes it is sent and answers what it is told to, however wrong.

It speaks HTTP/1.1 by hand, so that a test sees exactly what passed the gateway, and can send what no server would.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass(slots=True)
class RecordedRequest:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    head: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """The value of the only header of this name (any case), or None."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if found else None

    def names(self) -> set[str]:
        return {name.lower() for name, _ in self.headers}


@dataclass(slots=True)
class Exchange:
    """What an answer may use: the request, and the connection to write to."""

    request: RecordedRequest
    writer: asyncio.StreamWriter
    closed: asyncio.Event

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def begin_events(self, *headers: str) -> None:
        lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked", *headers]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def event(self, text: str) -> None:
        data = f"data: {text}\n\n".encode()
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")


Answer = Callable[[Exchange], Awaitable[None]]


def json_answer(value: Any, *, status: int = 200, headers: tuple[str, ...] = ()) -> Answer:
    """An answer of one JSON document."""
    body = json.dumps(value).encode()

    async def answer(exchange: Exchange) -> None:
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
        await exchange.send("\r\n".join([*lines, "", ""]).encode() + body)

    return answer


def raw_answer(data: bytes, *, close: bool = False) -> Answer:
    """An answer of exactly these bytes."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(data)
        if close:
            exchange.writer.close()

    return answer


class RecordingUpstream:
    """`async with RecordingUpstream() as upstream:`; then `upstream.url`, `upstream.requests`, `upstream.answer`.

    `file`: listen on a Unix socket there instead of a port. `tls`: speak https, and be called `name`.
    """

    def __init__(self, *, file: str = "", tls: ssl.SSLContext | None = None, name: str = "127.0.0.1") -> None:
        self._file = file
        self._tls = tls
        self._name = name
        self.requests: list[RecordedRequest] = []
        self.answer: Answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {}})
        self.connections = 0
        self.open_connections = 0
        self.disconnected = asyncio.Event()
        self.arrived = asyncio.Event()
        self.garbage: list[bytes] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        if self._file:
            return "http://localhost/mcp"
        return f"{'https' if self._tls else 'http'}://{self._name}:{self.port}/mcp"

    async def __aenter__(self) -> Self:
        if self._file:
            self._server = await asyncio.start_unix_server(self._connection, self._file)
        else:
            self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.open_connections += 1
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections -= 1
            self.disconnected.set()
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                self.garbage.append(error.partial)
            return False
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)]
        request = RecordedRequest(method, target, headers, b"", head)
        request.body = await self._body(request, reader)
        self.requests.append(request)
        self.arrived.set()
        closed = asyncio.Event()
        watcher = asyncio.create_task(self._watch(reader, closed))
        try:
            await self.answer(Exchange(request, writer, closed))
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        return not writer.is_closing() and not closed.is_set()

    async def _body(self, request: RecordedRequest, reader: asyncio.StreamReader) -> bytes:
        if request.header("transfer-encoding") == "chunked":
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readexactly(2)
            return body
        return await reader.readexactly(int(request.header("content-length") or 0))

    async def _watch(self, reader: asyncio.StreamReader, closed: asyncio.Event) -> None:
        """Notice the other side leaving while an answer is being written; pipelined bytes stay where they are."""
        while not reader.at_eof():  # noqa: ASYNC110 - a StreamReader has no event for it
            await asyncio.sleep(0.01)
        closed.set()
        self.disconnected.set()
