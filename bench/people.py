"""People who sign in, and programs that refresh: the load of `bench.authorization_server`, in a process of its own.

Reads one `Task` as JSON on standard input and writes one `Figures` as JSON. A person is a browser without cookies, has
a name of their own, follows redirects, and fills in every form until the client has its tokens; the pages of Vestibule
and of oidc-provider are walked by the same code. A program follows its own chain of refresh tokens. Every worker has
one connection, kept alive: bare HTTP/1.1 over asyncio, so that the load costs as little as it can; its CPU is told.
"""

import asyncio
import json
import os
import re
import resource
import secrets
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from html import unescape
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import uvloop

from vestibule.protocol.pkce import challenge_of

_TICKS = os.sysconf("SC_CLK_TCK")
_STEPS = 20  # no sign-in has more requests


@dataclass(frozen=True)
class Task:
    what: Literal["sign-in", "refresh"]
    url: str
    authorize: str  # path
    token: str  # path
    client_id: str
    redirect_uri: str
    scope: str
    seconds: float
    workers: int
    server: int  # process id
    database: int  # process id of the database's parent process; 0: none


@dataclass(frozen=True)
class Figures:
    per_second: float
    p50_ms: float
    p99_ms: float
    requests: float  # HTTP requests in one operation
    server_ms: float  # CPU of the server process in one operation
    database_ms: float
    load_share: float  # of one core, that these people used themselves


@dataclass(frozen=True)
class Answer:
    status: int
    location: str
    cookies: Sequence[str]
    body: bytes


class Connection:
    """One connection, kept alive. Counts its requests."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.requests = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, cookie: str = "", form: dict[str, str] | None = None) -> Answer:
        body = urlencode(form or {}).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Accept: */*"]
        if cookie:
            lines.append(f"Cookie: {cookie}")
        if form is not None:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
        reader, writer = self._streams
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.requests += 1
        return await self._read(reader)

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:-2])]
        named = dict(fields)
        if "chunked" in named.get("transfer-encoding", ""):
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        else:
            body = await reader.readexactly(int(named.get("content-length", 0)))
        if named.get("connection", "").lower() == "close":
            self.close()
        cookies = [value for name, value in fields if name == "set-cookie"]
        return Answer(int(head[0].split()[1]), named.get("location", ""), cookies, body)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Person:
    """A browser of somebody nobody has seen before."""

    def __init__(self, connection: Connection, url: str) -> None:
        self._connection = connection
        self._url = url
        self._jar: dict[tuple[str, str], str] = {}  # by path and name
        self._login = f"person-{secrets.token_hex(6)}"

    async def walk(self, path: str, until: str) -> str:
        """From `path` to the first redirect that leads to `until`: that URL."""
        answer = await self._open("GET", path)
        for _ in range(_STEPS):
            if answer.status in (302, 303):
                target = urljoin(self._url, answer.location)
                if target.startswith(until):
                    return target
                answer = await self._open("GET", target[len(self._url) :])
            else:
                page = answer.body.decode()
                form = re.search(r'<form[^>]*action="([^"]+)"', page)
                if answer.status != 200 or form is None:
                    raise RuntimeError(f"no form ({answer.status}): {page[:2000]}")
                target = urljoin(self._url, unescape(form[1]))
                answer = await self._open("POST", target[len(self._url) :], self._filled_in(page))
        raise RuntimeError("the sign-in goes round in circles")

    def _filled_in(self, page: str) -> dict[str, str]:
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
        fields = {name: unescape(value) for name, value in hidden}
        return {**fields, "login": self._login, "password": "any", "decision": "approve"}

    async def _open(self, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        cookie = "; ".join(f"{name}={value}" for (under, name), value in self._jar.items() if path.startswith(under))
        answer = await self._connection.send(method, path, cookie, form)
        for line in answer.cookies:
            pair, *attributes = (part.strip() for part in line.split(";"))
            name, _, value = pair.partition("=")
            under = next((text[5:] for text in attributes if text.lower().startswith("path=")), "/")
            if value:
                self._jar[under, name] = value
            else:
                self._jar.pop((under, name), None)
        return answer


async def sign_in(task: Task, connection: Connection) -> dict[str, str]:
    """Authorize, login, consent, token: what the client gets."""
    verifier = secrets.token_urlsafe(48)
    query = {
        "response_type": "code",
        "client_id": task.client_id,
        "redirect_uri": task.redirect_uri,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        "state": secrets.token_urlsafe(16),
        "scope": task.scope,
    }
    person = Person(connection, task.url)
    back = parse_qs(urlsplit(await person.walk(f"{task.authorize}?{urlencode(query)}", task.redirect_uri)).query)
    if "code" not in back or back["state"] != [query["state"]]:
        raise RuntimeError(f"no code: {back}")
    form = {"grant_type": "authorization_code", "code": back["code"][0], "code_verifier": verifier}
    return await _redeem(task, connection, {**form, "redirect_uri": task.redirect_uri})


async def refresh(task: Task, connection: Connection, token: str) -> str:
    """The next refresh token of the chain."""
    found = await _redeem(task, connection, {"grant_type": "refresh_token", "refresh_token": token})
    if found["refresh_token"] == token:
        raise RuntimeError("the refresh token was not rotated")
    return found["refresh_token"]


async def _redeem(task: Task, connection: Connection, form: dict[str, str]) -> dict[str, str]:
    answer = await connection.send("POST", task.token, form={**form, "client_id": task.client_id})
    found: dict[str, str] = json.loads(answer.body)
    if answer.status != 200 or not found.get("access_token") or not found.get("refresh_token"):
        raise RuntimeError(f"no tokens ({answer.status}): {found}")
    return found


async def run(task: Task) -> Figures:
    connections = [Connection(task.url) for _ in range(task.workers)]
    works = await asyncio.gather(*(_work(task, connection) for connection in connections))
    requests = sum(connection.requests for connection in connections)
    before, own, started = _cpu(task), _own_cpu(), time.perf_counter()
    end = started + task.seconds
    took = [one for some in await asyncio.gather(*(_repeat(work, end) for work in works)) for one in some]
    elapsed, own, after = time.perf_counter() - started, _own_cpu() - own, _cpu(task)
    requests = sum(connection.requests for connection in connections) - requests
    for connection in connections:
        connection.close()
    return Figures(
        per_second=len(took) / elapsed,
        p50_ms=statistics.median(took) * 1000,
        p99_ms=statistics.quantiles(took, n=100, method="inclusive")[98] * 1000,
        requests=requests / len(took),
        server_ms=(after[0] - before[0]) / len(took) * 1000,
        database_ms=(after[1] - before[1]) / len(took) * 1000,
        load_share=own / elapsed,
    )


async def _work(task: Task, connection: Connection) -> Callable[[], Awaitable[None]]:
    """One operation of one worker, made ready: each starts a chain of its own, which also warms the server up."""
    token = (await sign_in(task, connection))["refresh_token"]

    async def follow_chain() -> None:
        nonlocal token
        token = await refresh(task, connection, token)

    async def new_person() -> None:
        await sign_in(task, connection)

    return follow_chain if task.what == "refresh" else new_person


async def _repeat(work: Callable[[], Awaitable[None]], end: float) -> list[float]:
    took = []
    while (begun := time.perf_counter()) < end:
        await work()
        took.append(time.perf_counter() - begun)
    return took


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _cpu(task: Task) -> tuple[float, float]:
    """Seconds of CPU of the server (all its threads) and of the database (all its processes)."""
    database = [task.database, *_children(task.database)] if task.database else []
    return _cpu_of(task.server), sum(_cpu_of(process) for process in database)


def _cpu_of(process: int) -> float:
    """With that of its children that have ended: what an ending child has used does not get lost."""
    return sum(map(int, _stat(process)[11:15])) / _TICKS


def _children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if int(_stat(int(folder.name))[1]) == parent:
                    found.append(int(folder.name))
            except OSError:
                continue  # it has ended meanwhile
    return found


def _stat(process: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name: state, parent, …; from 11: utime, stime, cutime, cstime."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def main() -> None:
    task = Task(**json.load(sys.stdin))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        json.dump(asdict(runner.run(run(task))), sys.stdout)


if __name__ == "__main__":
    main()
