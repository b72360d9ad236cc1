"""Several members' streams as one: each is read by a task of its own, as fast as the client takes what it brings."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from vestibule.gateway.aggregate.out import STILL_THERE, Out

_WAITING = 16  # pieces that may wait for the client; beyond, members are not read
_QUIET = 15.0  # seconds after which a sign of life of a member is passed on as one

Put = Callable[[bytes], Awaitable[None]]


class Merge:
    """`start` follows one member; `pass_on` writes until all are done."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet_since = 0.0

    async def put(self, events: bytes) -> None:
        """Whole events; empty for a sign of life."""
        now = asyncio.get_running_loop().time()
        if not events and (now - self._quiet_since < _QUIET or self._pieces.full()):
            return
        self._quiet_since = now
        await self._pieces.put(events or STILL_THERE)

    def start(self, follow: Callable[[Put], Awaitable[None]]) -> None:
        async def run() -> None:
            await follow(self.put)

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks and self._pieces.empty():
            self._pieces.put_nowait(b"")  # whoever waits for more learns that there is none

    async def pass_on(self) -> None:
        """Write what comes, until every member's stream has ended."""
        while self._tasks or not self._pieces.empty():
            piece = await self._pieces.get()
            if piece:
                await self._out.write(piece)

    async def stop(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def merging(out: Out, follow: Iterable[Callable[[Put], Awaitable[None]]]) -> AsyncIterator[Merge]:
    """All under way for as long as the block, and ended with it."""
    merge = Merge(out)
    try:
        for one in follow:
            merge.start(one)
        yield merge
    finally:
        await merge.stop()
