"""Crowds at the door: thousands of quiet streams, of connections, and of clients that read slowly.

The gateway is a process of its own, so that its memory is its own; the crowd and the upstream share ours.
`python -m tests.gateway.crowds` (or `make soak-streams`) is the long form; the tests beside it are the short one.
"""

import argparse
import asyncio
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx2

from tests.parts.processes import free_port
from tests.support.house import Door, Flow, Visitor

EVENT = b"11\r\ndata: something\n\n\r\n"
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + EVENT
BIG = 10 * 1024 * 1024


class Upstream(asyncio.Protocol):
    """Answers by the path: a document, a stream that stays, or ten megabytes."""

    def __init__(self, streams: set["Upstream"]) -> None:
        self._streams = streams
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if not self._seen.endswith(CALL):
            return
        seen, self._seen = self._seen, b""
        if b"?stream" in seen:
            self._streams.add(self)
            self.transport.write(STREAM)
        elif b"?big" in seen:
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"x" * BIG)
        else:
            self.transport.write(ANSWER)

    def connection_lost(self, exc: Exception | None) -> None:
        self._streams.discard(self)


class Client(asyncio.Protocol):
    """One of the crowd: asks once it is connected, and counts what it sees."""

    def __init__(self, request: bytes, end: bytes) -> None:
        self._request = request
        self._end = end
        self.received = b""
        self.answers = 0
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.ask()

    def ask(self) -> None:
        self.received = b""
        self.answered = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            self.answered.set_result(False)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received.endswith(self._end):
            self.answers += 1
            if not self.answered.done():
                self.answered.set_result(self.received.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result(False)


@dataclass
class Crowded:
    """A gateway in a process of its own, its upstream, and whoever stands before it."""

    process: "subprocess.Popen[bytes]"
    port: int
    token: str
    log: Path
    streams: set[Upstream] = field(default_factory=set)

    def rss(self) -> float:
        """Of the gateway, in KiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS")))

    def request(self, kind: str) -> bytes:
        return (
            f"POST /mcp?{kind} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.token}\r\n"
            f"MCP-Protocol-Version: 2026-07-28\r\nContent-Type: application/json\r\nContent-Length: {len(CALL)}\r\n\r\n"
        ).encode() + CALL

    async def join(self, kind: str, number: int, *, at_once: int = 200) -> list[Client]:
        """So many clients, each with its answer (or the beginning of its stream)."""
        loop, request = asyncio.get_running_loop(), self.request(kind)
        end = EVENT if kind == "stream" else b"{}"
        crowd: list[Client] = []
        for start in range(0, number, at_once):
            some = await asyncio.gather(
                *[
                    loop.create_connection(lambda: Client(request, end), "127.0.0.1", self.port)
                    for _ in range(min(at_once, number - start))
                ]
            )
            crowd += [client for _, client in some]
            await asyncio.gather(*[asyncio.wait_for(client.answered, 30) for _, client in some])
        return crowd

    async def leave(self, crowd: list[Client]) -> None:
        for client in crowd:
            client.transport.abort()
        await until(lambda: not self.streams)

    async def is_alive(self) -> bool:
        try:
            async with httpx2.AsyncClient(trust_env=False, timeout=5) as http:
                return (await http.get(f"http://127.0.0.1:{self.port}/healthz")).status_code == 200
        except httpx2.TransportError:
            return False


async def until(true: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def crowded(folder: Path, *, files: int = 0) -> AsyncIterator[Crowded]:
    """`files`: how many the gateway may have open; 0: as many as we."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    streams: set[Upstream] = set()
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(streams), "127.0.0.1", 0, backlog=4096)
    port, log = free_port(), folder / "gateway.log"
    process = start(folder, port, server.sockets[0].getsockname()[1], log, files)
    try:
        token = await sign_in(f"http://127.0.0.1:{port}", folder)
        yield Crowded(process, port, token, log, streams)
    finally:
        process.kill()
        process.wait()
        server.close()


def start(folder: Path, port: int, upstream: int, log: Path, files: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "vestibule", "serve", "--listen", f"127.0.0.1:{port}"]
    command += ["--upstream", f"http://127.0.0.1:{upstream}/mcp"]
    if files:
        command = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh", *command]
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


async def sign_in(url: str, folder: Path) -> str:
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        for _ in range(600):
            try:
                await http.get(f"{url}/healthz")
                break
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
        door = Door(url, None, None, folder, http)  # type: ignore[arg-type]  # another process: only its URL is used
        flow, visitor = Flow(door, await door.register()), Visitor(door)
        flow.code = (await visitor.approve(flow))["code"]
        token = str((await flow.redeem()).json()["access_token"])
        await visitor.http.aclose()
        return token


# --- the long form --------------------------------------------------------------------------------------------------


async def slow_readers(crowd: Crowded, number: int) -> float:
    """KiB of the gateway's memory for each of so many clients that have asked for ten megabytes and read nothing."""
    before, ends = crowd.rss(), []
    for _ in range(number):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        one.setblocking(False)
        await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", crowd.port))
        await asyncio.get_running_loop().sock_sendall(one, crowd.request("big"))
        ends.append(one)
    await asyncio.sleep(2)
    each = (crowd.rss() - before) / number
    for one in ends:
        one.close()
    return each


async def soak(folder: Path, streams: int, connections: int) -> None:
    async with crowded(folder) as crowd:
        await crowd.leave(await crowd.join("stream", 100))
        base = crowd.rss()
        print(f"base                 {base / 1024:8.1f} MiB")
        for round_ in (1, 2, 3):
            began = time.monotonic()
            listeners = await crowd.join("stream", streams)
            full = crowd.rss()
            opened = time.monotonic() - began
            for stream in crowd.streams:
                stream.transport.write(EVENT)
            await until(lambda: all(one.answers == 2 for one in listeners))  # noqa: B023
            await crowd.leave(listeners)
            await asyncio.sleep(2)
            print(
                f"round {round_}: {streams} streams {full / 1024:8.1f} MiB, {(full - base) / streams:5.1f} KiB each, "
                f"in {opened:.1f} s; afterwards {crowd.rss() / 1024:.1f} MiB ({crowd.rss() / base - 1:+.1%})"
            )
        each = await slow_readers(crowd, 50)
        print(f"slow readers of 10 MB {each:7.1f} KiB each")
        clients = await crowd.join("call", connections, at_once=500)
        for client in clients:
            client.ask()
        good = sum(await asyncio.gather(*[client.answered for client in clients]))
        print(f"{connections} connections     {good} answered twice")
        assert good == connections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    most = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2
    parser.add_argument("--streams", type=int, default=min(10_000, most))
    parser.add_argument("--connections", type=int, default=5_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vestibule-crowds-") as folder:
        asyncio.run(soak(Path(folder), options.streams, options.connections))


if __name__ == "__main__":
    main()
