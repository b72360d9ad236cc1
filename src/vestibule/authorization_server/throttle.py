"""How often something may be tried, kept in memory: guesses of secrets, registrations, user codes.

The generic cell rate algorithm: a key has one number, the moment from which it is free again. It is forgotten when
that moment has passed, so what is held is bounded by what happens within one period; beyond that, the oldest goes.
"""

import hashlib
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
        self._free_at: dict[str, OrderedDict[str, float]] = {}  # what → key → when; the last counted at the end

    def take(self, what: str, key: str, rate: Rate) -> None:
        """Count one. Raises `TooManyRequests`, which counts nothing."""
        wait = self._wait(what, key, rate)
        if wait > 0:
            raise self._refusal(what, wait)
        self._count(what, key, rate)

    def forgive(self, what: str, key: str, rate: Rate) -> None:
        """One that was counted was none."""
        keys = self._of(what)
        if _short(key) in keys:
            keys[_short(key)] -= rate.period.total_seconds() / rate.count

    def allows(self, what: str, key: str, rate: Rate) -> bool:
        """Count one if it is still allowed."""
        if self._wait(what, key, rate) > 0:
            return False
        self._count(what, key, rate)
        return True

    def _wait(self, what: str, key: str, rate: Rate) -> float:
        period, now = rate.period.total_seconds(), self._clock().timestamp()
        free_at = self._of(what).get(_short(key), now)
        if free_at > now + period:  # the clock was set back: nobody waits longer than one period
            return 0.0
        return free_at + period / rate.count - now - period

    def _count(self, what: str, key: str, rate: Rate) -> None:
        period, now = rate.period.total_seconds(), self._clock().timestamp()
        self._forget(now)
        keys = self._of(what)
        free_at = keys.pop(_short(key), now)
        keys[_short(key)] = min(max(free_at, now) + period / rate.count, now + period)
        while len(keys) > MAX_KEYS:
            keys.popitem(last=False)

    def _of(self, what: str) -> OrderedDict[str, float]:
        return self._free_at.setdefault(what, OrderedDict())

    def _forget(self, now: float) -> None:
        """What is free again. The oldest of each kind is looked at, so this costs nothing."""
        for keys in self._free_at.values():
            while keys and next(iter(keys.values())) <= now:
                keys.popitem(last=False)

    @staticmethod
    def _refusal(what: str, wait: float) -> TooManyRequests:
        return TooManyRequests(f"Too many requests: {what}.", retry_after=max(1, math.ceil(wait)))


def _short(key: str) -> str:
    """A stranger's text may be long; what is kept of it is not."""
    return key if len(key) <= 64 else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def network_of(address: str) -> str:
    """Whom an address belongs to, as far as it can be told: an IPv6 caller has its /64 to itself."""
    return _network(address, 64)


def site_of(address: str) -> str:
    """Whose networks these may all be: a customer's IPv6 /48 has 65,536 of them."""
    return _network(address, 48)


def _network(address: str, bits: int) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> (128 - bits) << (128 - bits))}/{bits}"
