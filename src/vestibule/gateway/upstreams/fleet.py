"""The servers of one upstream that run: how many there may be, and how they end.

One that nobody asks for a while is stopped, and so is one whose principal has lost the right to it. One that ends by
itself is not started again at once for ever (`backoff`).
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from vestibule.gateway.upstreams.backoff import Backoff
from vestibule.gateway.upstreams.conversation import Clock, Conversation, Report

LEFT_ALONE_SECONDS = 30.0  # before a server may have to make room for somebody else's
MAX_OF_ONE = 20  # servers of one person, with whatever clients, with those that are being stopped
REVOKED_SECONDS = 30.0  # what was asked before a revocation may still be answered


class Fleet:
    """Of one pool. `forget` is told of each server that has ended."""

    def __init__(
        self,
        *,
        most: int,
        idle: timedelta,
        report: Report,
        clock: Clock,
        jitter: Callable[[], float],
        forget: Callable[[Conversation], None],
    ) -> None:
        self._backoff = Backoff(jitter)
        self._clock = clock
        self._ending: set[asyncio.Task[None]] = set()
        self._forget = forget
        self._idle = idle.total_seconds()
        self._most = most
        self._report = report
        self._revoked: dict[Conversation, float] = {}  # since when
        self._servers: dict[Conversation, str] = {}  # → what they back off by

    @property
    def size(self) -> int:
        return len(self._servers) + len(self._ending)

    @property
    def is_crowded(self) -> bool:
        """Servers that are being stopped make room already, up to a point."""
        running = sum(not server.is_closing for server in self._servers)
        return running >= self._most or self.size >= 2 * self._most

    def make_room(self) -> None:
        """End the one that has longest been left alone, if too many run."""
        if not self.is_crowded:
            return
        latest = self._clock() - LEFT_ALONE_SECONDS
        alone = [one for one in self._servers if one.is_quiet and not one.is_closing and one.used_at <= latest]
        if alone:
            min(alone, key=lambda one: one.used_at).close()

    def check_may_start(self, key: str) -> None:
        """Raises OSError when another server, which backs off by `key`, may not be started now.

        `key`: whose it is; empty where nobody says who he is.
        """
        wait = self._backoff.wait(key, self._clock())
        if wait > 0:
            raise OSError(f"the server has ended several times; it is started again in {wait:.1f} s at the earliest")
        if key and sum(one == key for one in self._servers.values()) >= MAX_OF_ONE:
            raise OSError(f"{MAX_OF_ONE} servers of one person run, or are being stopped")
        if self.is_crowded:
            raise OSError(f"{self._most} servers run already, which is max_instances")

    def add(self, server: Conversation, key: str) -> None:
        self._servers[server] = key
        self._report("upstream_started", running=len(self._servers))

    def revoke(self, server: Conversation) -> None:
        """It ends when nobody waits for it any more, and soon in any case."""
        self._revoked.setdefault(server, self._clock())

    def ended(self, server: Conversation, reason: str) -> None:
        now = self._clock()
        key = self._servers.pop(server, "")
        self._revoked.pop(server, None)
        lived, by_itself = now - server.since, not server.is_closing
        if by_itself:
            self._backoff.failed(key, lived=lived, now=now)
        level = "warning" if by_itself else "info"
        self._report("upstream_ended", level=level, reason=reason, lived=round(lived, 1))
        self._forget(server)
        task = asyncio.get_running_loop().create_task(server.channel.closed())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def tick(self, now: float) -> None:
        self._backoff.tick(now)
        for server in list(self._servers):
            server.tick(now)
            is_idle = server.is_quiet and now - server.used_at >= self._idle
            since = self._revoked.get(server)
            if is_idle or (since is not None and (server.is_quiet or now - since >= REVOKED_SECONDS)):
                server.close()

    def close(self) -> None:
        for server in list(self._servers):
            server.close()

    async def wait_closed(self) -> None:
        """Until none of the servers is left. After `close`."""
        while self._servers or self._ending:
            if self._ending:
                await asyncio.wait(list(self._ending))
            else:
                await asyncio.sleep(0.01)
