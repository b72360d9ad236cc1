"""A bridge without a gateway before it: requests go in, answers are written down."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.stdio import META, ODD_SERVER
from vestibule.errors import Refusal
from vestibule.gateway.framing import Framing
from vestibule.gateway.headers import Header
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.upstreams.bridge import BridgePool, BridgeSettings
from vestibule.gateway.upstreams.lines import Line
from vestibule.gateway.upstreams.stdio import StdioChannel
from vestibule.model import Command, Era, Principal, Upstream


@dataclass
class Answer:
    """Implements `Answered`."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    lost: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def upstream_head(self, status: int, headers: list[Header], length: int | None) -> None:
        self.status = status

    def upstream_data(self, data: bytes) -> None:
        self.body += data

    def upstream_flush(self) -> None: ...

    def upstream_end(self) -> None:
        self.over.set()

    def upstream_lost(self, reason: str) -> None:
        self.lost = reason
        self.over.set()

    def upstream_refused(self, refusal: Refusal) -> None:
        self.upstream_lost(refusal.message)

    def upstream_paused(self) -> None: ...
    def upstream_resumed(self) -> None: ...

    async def wait(self, seconds: float = 10) -> "Answer":
        async with asyncio.timeout(seconds):
            await self.over.wait()
        return self


@dataclass
class Bench:
    """A pool of odd servers, its clock and what it reports."""

    pool: BridgePool
    reports: list[dict[str, Any]]
    now: float = 0.0

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.pool.tick(self.now)

    def told(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.reports if one["event"] == event]

    def tool(self, name: str, *, who: str = "", **arguments: Any) -> tuple[Answer, Line]:
        params = {"name": name, "arguments": arguments, "_meta": {**META, "progressToken": 1}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        headers = [
            (b"mcp-protocol-version", b"2026-07-28"),
            (b"mcp-method", b"tools/call"),
            (b"mcp-name", name.encode()),
        ]
        request = ProxiedRequest(b"POST", b"", headers, Framing(len(body), chunked=False), era=Era.MODERN)
        request.principal = principal(who) if who else None
        request.add(body)
        request.finish()
        answer, line = Answer(), self.pool.take(request)
        line.send(request, (), answer)
        return answer, line


def principal(name: str) -> Principal:
    """`name`: of a person, or `person/client`."""
    name, _, client = name.partition("/")
    far = datetime(2100, 1, 1, tzinfo=UTC)
    return Principal("i", name, name, "t", client or "c", frozenset(), "r", "g", "k", far)


def bench(*flags: str, words: tuple[str, ...] = (), grace: float = 0.3, **settings: Any) -> Bench:
    command = Command(
        words or (sys.executable, "-S", str(ODD_SERVER), *flags), stop_grace=timedelta(seconds=grace), **settings
    )
    reports: list[dict[str, Any]] = []

    def report(event: str, **facts: Any) -> None:
        reports.append({"event": event, **facts})

    clock: Callable[[], float] = lambda: made.now  # noqa: E731
    pool = BridgePool(
        BridgeSettings(Upstream("odd", command=command), command.instances, command.idle, command.max_instances),
        lambda caller: StdioChannel(command, report=report, clock=clock),
        report=report,
        clock=clock,
        jitter=lambda: 0.0,
    )
    made = Bench(pool, reports)
    return made
