"""How much work refused tokens may cause.

To refuse a well-made token with a wrong signature costs a verification: a core does some thousands of them a second,
and whoever sends more would have it for themselves. A signature cannot be told from a good one without that work, so
each that was bad slows down those that come next, once there are more than a second's worth. First those of the same
network, which has a tenth of what all have, so that one stranger does not stop the others; and all only when there are
many strangers. Who is known already waits for nothing: a token that was verified before does not come this way.
"""

import asyncio
from collections import OrderedDict

from vestibule.errors import Unavailable

PER_SECOND = 1000.0  # refused tokens; ES256, the slowest, takes less than half a core at that rate
BURST = 2000.0
MAX_WAITING = 500
SHARE = 10  # how many networks it takes to use all of that up
MAX_NETWORKS = 10_000


class _Budget:
    """Of refused tokens, and of places to wait."""

    __slots__ = ("_burst", "_counted_at", "_left", "_per_second", "max_waiting", "waiting")

    def __init__(self, per_second: float, burst: float, max_waiting: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._counted_at = 0.0  # on the loop's clock
        self.max_waiting = max_waiting
        self.waiting = 0

    def charge(self, now: float) -> None:
        self._count(now)
        self._left -= 1

    def delay(self, now: float) -> float:
        self._count(now)
        return (1 - self._left) / self._per_second if self._left < 1 else 0.0

    def is_full(self, now: float) -> bool:
        self._count(now)
        return self._left >= self._burst

    def _count(self, now: float) -> None:
        self._left = min(self._burst, self._left + (now - self._counted_at) * self._per_second)
        self._counted_at = now


class Brake:
    def __init__(self, *, per_second: float = PER_SECOND, burst: float = BURST) -> None:
        self._all = _Budget(per_second, burst, MAX_WAITING)
        self._share = (per_second / SHARE, burst / SHARE, MAX_WAITING // SHARE)
        self._networks: OrderedDict[str, _Budget] = OrderedDict()

    async def wait(self, network: str = "") -> None:
        """`network`: whose request it is; empty: nobody knows. Raises `Unavailable` when too many wait."""
        budgets = self._budgets(network)
        if self._delay(budgets) <= 0:
            return
        if any(budget.waiting >= budget.max_waiting for budget in budgets):
            raise Unavailable("Too many tokens are being refused right now.", action="Try again in a moment.")
        for budget in budgets:
            budget.waiting += 1
        try:
            while (delay := self._delay(budgets)) > 0:  # noqa: ASYNC110 - time is all that is waited for
                await asyncio.sleep(delay)
        finally:
            for budget in budgets:
                budget.waiting -= 1

    def charge(self, network: str = "") -> None:
        """One was refused."""
        now = _now()
        self._all.charge(now)
        if network:
            if network not in self._networks:
                self._make_room(now)
            self._networks.setdefault(network, _Budget(*self._share)).charge(now)
            self._networks.move_to_end(network)

    def _budgets(self, network: str) -> list[_Budget]:
        own = self._networks.get(network)
        return [self._all] if own is None else [self._all, own]

    def _make_room(self, now: float) -> None:
        """The network that was last refused the longest ago goes: by then it has its budget back."""
        while self._networks:
            network, budget = next(iter(self._networks.items()))
            if len(self._networks) < MAX_NETWORKS and not budget.is_full(now):
                return
            del self._networks[network]

    @staticmethod
    def _delay(budgets: list[_Budget]) -> float:
        now = _now()
        return max(budget.delay(now) for budget in budgets)


def _now() -> float:
    return asyncio.get_running_loop().time()
