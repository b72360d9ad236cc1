"""A small HTTP/1.1 server on loopback for scripted parts: it records what it is sent, and misbehaves when told to.

Written by hand on asyncio's streams, because it must be able to send what no server would. Not for anything but tests.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import parse_qsl, urlsplit

MAX_BODY = 1024 * 1024  # bytes of a request


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it arrived."""

    method: str
    target: str  # path and query, to the letter
    path: str
    headers: Mapping[str, str]  # names in lower case
    query: Mapping[str, str]
    form: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def parameters(self) -> dict[str, str]:
        return {**self.query, **self.form}


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer: JSON, or exactly these bytes."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        body = self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()
        head = {"Content-Type": "application/json", "Content-Length": str(len(body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in head.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(slots=True)
class Exchange:
    """What a fault may use: the request, the right answer, and the connection."""

    request: ReceivedRequest
    answer: Answer
    _writer: asyncio.StreamWriter
    sent: int = 0  # bytes

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError when the other side has gone."""
        self._writer.write(data)
        await self._writer.drain()
        self.sent += len(data)


Fault: TypeAlias = Callable[[Exchange], Awaitable[bool]]
"""Takes the place of an answer. Whether the connection may serve another request."""


def slow(seconds: float) -> Fault:
    """The right answer, late."""

    async def fault(exchange: Exchange) -> bool:
        await asyncio.sleep(seconds)
        await exchange.send(exchange.answer.to_bytes())
        return True

    return fault


def drip(seconds: float) -> Fault:
    """The right answer, a byte at a time: no single wait is long."""

    async def fault(exchange: Exchange) -> bool:
        for byte in exchange.answer.to_bytes():
            await exchange.send(bytes([byte]))
            await asyncio.sleep(seconds)
        return True

    return fault


async def hang(exchange: Exchange) -> bool:
    """Nothing, for ever."""
    await asyncio.Event().wait()
    return False


async def garbage(exchange: Exchange) -> bool:
    """Bytes that are no HTTP."""
    await exchange.send(b"\x16\x03\x01\x00\xffnot HTTP at all\r\n\r\n")
    return False


async def disconnect(exchange: Exchange) -> bool:
    """The end of the connection, without a word."""
    return False


async def cut(exchange: Exchange) -> bool:
    """The right answer without its last bytes."""
    await exchange.send(exchange.answer.to_bytes()[:-5])
    return False


def huge(size: int = 1 << 30, *, chunked: bool = False) -> Fault:
    """A body of `size` bytes (1 GB): the beginning of a JSON document that does not end."""

    async def fault(exchange: Exchange) -> bool:
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        await exchange.send(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{framing}\r\n\r\n".encode())
        piece = b'{"":[' + b" " * (64 * 1024 - 5)
        for _ in range(0, size, len(piece)):
            await exchange.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        return False

    return fault


class ScriptedServer:
    """Serves `respond`, or the fault that stands for the path; records both sides."""

    def __init__(self, *, port: int = 0, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.faults: dict[str, Fault] = {}
        self.received: list[ReceivedRequest] = []
        self.bytes_sent = 0
        self.connections = 0
        self._host = host
        self._port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> str:
        """http://127.0.0.1:port, or https. It stays the same over `stop` and `start`."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._tasks)

    @property
    def port(self) -> int:
        assert self._port, "not started yet"
        return self._port

    async def respond(self, request: ReceivedRequest) -> Answer:
        """The right answer."""
        return Answer(404, {"error": "not_found"})

    def fault_for(self, request: ReceivedRequest) -> Fault | None:
        return self.faults.get(request.path)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connection, self._host, self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As if it were down: the port refuses connections, those that are open are gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with suppress(ConnectionError, EOFError, ValueError, asyncio.LimitOverrunError):
                ahead: bytes | None = b""
                while ahead is not None:
                    ahead = await self._serve_one(reader, writer, ahead)
        except asyncio.CancelledError:  # `stop`, or the end of the test's loop
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ahead: bytes
    ) -> bytes | None:
        """What of the next request has been read already (as `ahead` is of this one); None ends the connection."""
        request = await _read(reader, ahead)
        self.received.append(request)
        answer = await self.respond(request)
        exchange = Exchange(request, answer, writer)
        fault = self.fault_for(request)
        try:
            if fault is not None:
                return await self._fail(fault, exchange, reader)
            await exchange.send(answer.to_bytes())
            return None if request.headers.get("connection", "").lower() == "close" else b""
        finally:
            self.bytes_sent += exchange.sent

    async def _fail(self, fault: Fault, exchange: Exchange, reader: asyncio.StreamReader) -> bytes | None:
        """Until the fault is done or the other side has gone."""
        failing = asyncio.ensure_future(fault(exchange))
        more = asyncio.ensure_future(reader.read(1))  # nothing: it has gone; a byte: of the next request
        try:
            await asyncio.wait((failing, more), return_when=asyncio.FIRST_COMPLETED)
            if more.done() and not more.result():
                return None
            goes_on = await failing
            return (more.result() if more.done() else b"") if goes_on else None
        finally:
            for waiting in (failing, more):
                waiting.cancel()
            await asyncio.gather(failing, more, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, ahead: bytes) -> ReceivedRequest:
    head = (ahead + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    length = int(headers.get("content-length", "0"))
    if length > MAX_BODY:
        raise ValueError("too long")
    body = await reader.readexactly(length)
    parts = urlsplit(target)
    is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return ReceivedRequest(
        method=method,
        target=target,
        path=parts.path,
        headers=headers,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        form=dict(parse_qsl(body.decode(), keep_blank_values=True)) if is_form else {},
        body=body,
    )
