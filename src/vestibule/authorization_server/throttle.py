"""How often something may be tried, kept in memory: guesses of secrets, registrations, user codes.

The generic cell rate algorithm: a key has one number, the moment from which it is free again. It is forgotten when
that moment has passed, so what is held is bounded by what happens within one period; beyond that, the oldest goes.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

from vestibule.errors import TooManyRequests
from vestibule.ports import Clock

MAX_KEYS = 50_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a period; all of them at once, if nothing came before."""

    count: int
    period: timedelta


class Throttle:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def take(self, what: str, key: str, rate: Rate) -> None:
        """Count one. Raises `TooManyRequests`, which counts nothing."""
        wait = self._wait(what, key, rate)
        if wait > 0:
            raise self._refusal(what, wait)
        self._count(what, key, rate)

    def check(self, what: str, key: str, rate: Rate) -> None:
        """Raises `TooManyRequests` when `take` would; counts nothing."""
        wait = self._wait(what, key, rate)
        if wait > 0:
            raise self._refusal(what, wait)

    def count(self, what: str, key: str, rate: Rate) -> None:
        """Count one that has happened already."""
        self._count(what, key, rate)

    def allows(self, what: str, key: str, rate: Rate) -> bool:
        """Count one if it is still allowed."""
        if self._wait(what, key, rate) > 0:
            return False
        self._count(what, key, rate)
        return True

    def _wait(self, what: str, key: str, rate: Rate) -> float:
        period, now = rate.period.total_seconds(), self._clock().timestamp()
        free_at = self._free_at.get((what, key), now)
        if free_at > now + period:  # the clock was set back: nobody waits longer than one period
            return 0.0
        return free_at + period / rate.count - now - period

    def _count(self, what: str, key: str, rate: Rate) -> None:
        period, now = rate.period.total_seconds(), self._clock().timestamp()
        free_at = self._free_at.pop((what, key), now)
        self._free_at[what, key] = min(max(free_at, now) + period / rate.count, now + period)
        while len(self._free_at) > MAX_KEYS:
            self._free_at.popitem(last=False)

    @staticmethod
    def _refusal(what: str, wait: float) -> TooManyRequests:
        return TooManyRequests(f"Too many requests: {what}.", retry_after=max(1, math.ceil(wait)))


def network_of(address: str) -> str:
    """Whom an address belongs to, as far as it can be told: an IPv6 caller has its /64 to itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)
