"""The limits of the authorization server: registrations, pushed requests, guesses of secrets, what /token gives.

They are rare beside calls, so replicas that share counters ask them each time: what is told is exact. What was counted
there is counted here as well, so that losing the counters lets nobody begin anew.
"""

from collections.abc import Callable

from vestibule.errors import Allowance, CountersUnavailable, TooManyRequests
from vestibule.model import Rate
from vestibule.policy.gcra import Buckets, count, digest_of, short
from vestibule.ports import Given, SharedCounters, Want
from vestibule.protocol.rate_limit import whole_seconds


class LocalThrottle:
    """Implements `ports.Throttle` in this process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kinds: dict[tuple[str, Rate], Buckets] = {}

    async def take(self, what: str, key: str, rate: Rate) -> Allowance:
        allowance = count([(self._of(what, rate), short(key))], self._monotonic())
        if allowance.retry_after:
            raise refusal(what, allowance)
        return allowance

    async def forgive(self, what: str, key: str, rate: Rate) -> None:
        self._of(what, rate).give_back(short(key))

    async def allows(self, what: str, key: str, rate: Rate) -> bool:
        return not count([(self._of(what, rate), short(key))], self._monotonic()).retry_after

    def held(self) -> int:
        """How many keys."""
        return sum(len(buckets.free_at) for buckets in self._kinds.values())

    def _of(self, what: str, rate: Rate) -> Buckets:
        found = self._kinds.get((what, rate))
        if found is None:
            found = self._kinds[what, rate] = Buckets(_name(what), rate)
        return found


class SharedThrottle:
    """Implements `ports.Throttle` for all replicas."""

    def __init__(self, counters: SharedCounters, local: LocalThrottle) -> None:
        self._counters = counters
        self._local = local

    async def take(self, what: str, key: str, rate: Rate) -> Allowance:
        given = await self._ask(what, key, rate, 1)
        if given is None:
            return await self._local.take(what, key, rate)
        allowance = Allowance(_name(what), rate.count, rate.window, given.remaining, whole_seconds(given.reset))
        if not given.cells:
            raise refusal(what, allowance._replace(retry_after=max(1, whole_seconds(given.wait))))
        await self._local.allows(what, key, rate)
        return allowance

    async def forgive(self, what: str, key: str, rate: Rate) -> None:
        await self._local.forgive(what, key, rate)
        await self._ask(what, key, rate, -1)

    async def allows(self, what: str, key: str, rate: Rate) -> bool:
        try:
            await self.take(what, key, rate)
        except TooManyRequests:
            return False
        return True

    async def _ask(self, what: str, key: str, rate: Rate, cells: int) -> Given | None:
        """None: the counters cannot be asked."""
        if not self._counters.is_up():
            return None
        try:
            return (await self._counters.ask([Want(f"{_name(what)}:{digest_of(key)}", rate, cells)]))[0]
        except CountersUnavailable:
            return None


def refusal(what: str, allowance: Allowance) -> TooManyRequests:
    return TooManyRequests(f"Too many requests: {what}.", retry_after=allowance.retry_after, allowance=allowance)


def _name(what: str) -> str:
    """As the header and the counters name it: a token of ASCII."""
    return "".join(character if character.isalnum() else "-" for character in what)
