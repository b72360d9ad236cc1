"""The real program in processes of its own, and clients that keep it busy and notice everything that fails."""

import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
import yaml

from tests.parts.processes import free_port
from tests.support.house import Door

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


@dataclass
class Program:
    """`vestibule serve`, and its log."""

    process: "subprocess.Popen[bytes]"
    door: Door
    file: Path
    log: Path

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, seconds: float) -> int:
        """Its exit code."""
        return await asyncio.wait_for(asyncio.to_thread(self.process.wait), seconds)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    async def says(self, text: str, *, times: int = 1, seconds: float = 40) -> None:
        async with asyncio.timeout(seconds):
            while len(re.findall(text, self.said())) < times:
                if self.process.poll() is not None:
                    raise AssertionError(f"it ended before it said {text!r}:\n{self.said()}")
                await asyncio.sleep(0.02)

    def workers(self) -> list[int]:
        """The process ids of those that have been started, in order."""
        return [int(pid) for pid in re.findall(r'"worker_started", "worker": \d+, "pid": (\d+)', self.said())]

    def change(self, **keys: Any) -> None:
        document = {**yaml.safe_load(self.file.read_text()), **keys}
        self.file.write_text(yaml.safe_dump(document))


@asynccontextmanager
async def serving(
    folder: Path, upstream: str, *, workers: int = 1, trusting: ssl.SSLContext | None = None, **keys: Any
) -> AsyncIterator[Program]:
    """`trusting`: whom a client trusts, when the program speaks https. `keys` go into the configuration."""
    port = free_port()
    file, log = folder / "vestibule.yaml", folder / "log"
    document = {
        "listen": f"127.0.0.1:{port}",
        "upstreams": [{"name": "main", "url": upstream}],
        "store": f"sqlite:///{folder / 'vestibule.db'}",
        "keys": {"file": str(folder / "vestibule.keys")},
        "workers": workers,
        **keys,
    }
    file.write_text(yaml.safe_dump(document))
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs yet
            [sys.executable, "-m", "vestibule", "serve", "--config", str(file)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "PYTHONPATH": ""},
        )
    scheme = "http" if trusting is None else "https"
    async with httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=20, verify=trusting or True) as http:
        door = Door(
            f"{scheme}://127.0.0.1:{port}", cast("Any", None), cast("Any", None), folder, http, trusting=trusting
        )
        program = Program(process, door, file, log)
        try:
            await program.says("Vestibule is open")
            if workers > 1:
                await program.says('"worker_ready"', times=workers)
            yield program
        finally:
            for visitor in door.visitors:
                await visitor.http.aclose()
            process.terminate()
            try:
                await program.ended(20)
            except TimeoutError:
                process.kill()
                process.wait()


@dataclass
class Load:
    """Clients that call again and again, on connections that they keep and on new ones."""

    url: str
    token: str
    tls: ssl.SSLContext | None = None
    answered: int = 0
    closed: int = 0  # connections that the server ended with `Connection: close`
    refused: int = 0  # connections that were not accepted
    failures: list[str] = field(default_factory=list)
    is_over: bool = False

    async def call_on_one_connection(self, calls: Callable[[], int]) -> None:
        """Each connection for so many calls; then another one."""
        parts = urlsplit(self.url)
        while not self.is_over:
            try:
                reader, writer = await asyncio.open_connection(
                    parts.hostname, parts.port, ssl=self.tls, server_hostname=parts.hostname if self.tls else None
                )
            except OSError:
                self.refused += 1
                await asyncio.sleep(0.05)
                continue
            try:
                for _ in range(calls()):
                    if self.is_over or not await self._call(parts.netloc, reader, writer):
                        break
            except (OSError, EOFError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.02)
            finally:
                writer.close()

    async def _call(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection can be used again."""
        writer.write(
            b"POST /mcp HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
            b"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
            b"Mcp-Method: tools/list\r\nContent-Length: %d\r\n\r\n%b"
            % (host.encode(), self.token.encode(), len(BODY), BODY)
        )
        async with asyncio.timeout(15):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None, head
            body = await reader.readexactly(int(length[1]))
        if not head.startswith(b"http/1.1 200"):
            self.failures.append((head[:40] + body).decode())
        self.answered += 1
        closes = b"connection: close" in head
        self.closed += closes
        return not closes


@asynccontextmanager
async def load(
    program: Program, token: str, *, clients: int = 8, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Load]:
    """Half of the clients keep their connections, half of them take a new one for every second call."""
    running = Load(program.door.url, token, tls)
    calls = [(lambda: 1_000_000) if number % 2 else (lambda: 2) for number in range(clients)]
    tasks = [asyncio.create_task(running.call_on_one_connection(one)) for one in calls]
    try:
        yield running
    finally:
        running.is_over = True
        await asyncio.gather(*tasks)
