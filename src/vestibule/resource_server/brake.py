"""How much work refused tokens may cause.

To refuse a well-made token with a wrong signature costs a verification: a core does some thousands of them a second,
and whoever sends more would have it for themselves. A signature cannot be told from a good one without that work, so
each that was bad slows down those that come next, once there are more than a second's worth. Who is known already
waits for nothing: a token that was verified before does not come this way.
"""

import asyncio

from vestibule.errors import Unavailable

PER_SECOND = 1000  # refused tokens; ES256, the slowest, takes less than half a core at that rate
BURST = 2000
MAX_WAITING = 500


class Brake:
    def __init__(self, *, per_second: float = PER_SECOND, burst: float = BURST) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._counted_at = 0.0  # on the loop's clock
        self._waiting = 0

    async def wait(self) -> None:
        """Raises `Unavailable` when too many wait."""
        if self._delay() <= 0:
            return
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many tokens are being refused right now.", action="Try again in a moment.")
        self._waiting += 1
        try:
            while (delay := self._delay()) > 0:  # noqa: ASYNC110 - time is all that is waited for
                await asyncio.sleep(delay)
        finally:
            self._waiting -= 1

    def charge(self) -> None:
        """One was refused."""
        self._count()
        self._left -= 1

    def _delay(self) -> float:
        self._count()
        return (1 - self._left) / self._per_second if self._left < 1 else 0.0

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        self._left = min(self._burst, self._left + (now - self._counted_at) * self._per_second)
        self._counted_at = now
