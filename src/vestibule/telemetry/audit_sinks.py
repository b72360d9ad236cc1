"""Where else the trail is told, after the store has it: a file, a collector. Nothing waits for them.

Each has a queue and a task of its own. One that hangs or fails loses what its queue cannot hold, and the log says so;
the store has all of it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from vestibule.model import AuditLink

MAX_QUEUED = 20_000  # events
BATCH = 500
CLOSE_TIMEOUT = 5.0  # seconds that the end of the process waits for it


class AuditSink(Protocol):
    async def write(self, links: Sequence[AuditLink]) -> None:
        """It may fail, slowly or quickly."""

    async def close(self) -> None: ...


class SinkQueue:
    """What one sink has still to be told."""

    def __init__(self, sink: AuditSink, log: Callable[..., None]) -> None:
        self._sink = sink
        self._log = log
        self._queue: deque[AuditLink] = deque()
        self._task: asyncio.Task[None] | None = None
        self._lost = 0

    def tell(self, links: Sequence[AuditLink]) -> None:
        """Never waits."""
        room = MAX_QUEUED - len(self._queue)
        self._queue.extend(links[:room])
        if len(links) > room:
            if self._lost == 0:
                self._log("audit_sink_is_behind", level="error", sink=type(self._sink).__name__)
            self._lost += len(links) - room
        if self._task is None and self._queue:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="audit sink")

    async def close(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                if self._task is not None:
                    await self._task
                await self._sink.close()

    async def _run(self) -> None:
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                await self._write(batch)
        finally:
            self._task = None
        if self._lost:
            self._log("audit_sink_lost", level="error", sink=type(self._sink).__name__, events=self._lost)
            self._lost = 0

    async def _write(self, batch: Sequence[AuditLink]) -> None:
        try:
            await self._sink.write(batch)
        except Exception as error:
            self._log("audit_sink_failed", level="error", sink=type(self._sink).__name__, exc_info=error)
