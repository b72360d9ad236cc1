"""One limit in memory: the generic cell rate algorithm (ITU-T I.371).

A key has one number, the moment from which all of its limit is free again; each call moves it by one interval, and
what would move it further ahead than one period is refused. It is forgotten when that moment has passed. Moments are
of a monotonic clock, in seconds: a wall clock that is set changes nothing.

The table is bounded. When it is full of keys that still count, those go that are nearest to being free: throw-away
keys that were used once, and never somebody's exhausted one.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from vestibule.errors import Allowance
from vestibule.model import Rate
from vestibule.protocol.rate_limit import whole_seconds

MAX_KEYS = 50_000
LONGEST_KEY = 128  # characters
_DUST = 1e-6  # seconds; what adding up leaves behind
_ALMOST_ONE = 1 - _DUST


class Buckets:
    """The keys of one limit."""

    __slots__ = ("_max_keys", "free_at", "interval", "name", "period", "rate", "window")

    def __init__(self, name: str, rate: Rate, *, max_keys: int = MAX_KEYS) -> None:
        self.name = name
        self.rate = rate
        self.interval = rate.interval
        self.period = rate.period.total_seconds()
        self.window = rate.window
        self.free_at: OrderedDict[str, float] = OrderedDict()  # the last counted at the end
        self._max_keys = max_keys

    def allowance(self, after: float) -> Allowance:
        """What an answer says. `after`: seconds until all is free again, if one more is counted."""
        wait = 0
        if after > self.period + _DUST:
            wait = max(1, whole_seconds(after - self.period))
            after -= self.interval
        remaining = int((self.period - after + _DUST) / self.interval)
        return Allowance(self.name, self.rate.count, self.window, remaining, int(after + _ALMOST_ONE), wait)

    def keep(self, key: str, now: float, free_at: float) -> None:
        kept = self.free_at
        kept[key] = free_at
        kept.move_to_end(key)
        while kept[first := next(iter(kept))] <= now:
            del kept[first]
        if len(kept) > self._max_keys:
            self._make_room(now)

    def add(self, key: str, now: float, cells: int) -> None:
        """So many have been counted elsewhere."""
        after = max(self.free_at.get(key, now) - now, 0.0) + cells * self.interval
        if after > 0:
            self.keep(key, now, now + min(after, self.period))

    def give_back(self, key: str) -> None:
        if key in self.free_at:
            self.free_at[key] -= self.interval

    def _make_room(self, now: float) -> None:
        """A tenth of the table at once, so that a flood of keys pays little for each."""
        kept = self.free_at
        room = len(kept) - self._max_keys * 9 // 10
        limit = max(now, sorted(kept.values())[room - 1])
        for key in [key for key, free_at in kept.items() if free_at <= limit][:room]:
            del kept[key]


def count(pairs: Sequence[tuple[Buckets, str]], now: float) -> Allowance:
    """Count one in all of them, or refuse it and count nothing. What is told is the tightest of them."""
    tightest, after_that, least = pairs[0][0], 0.0, float("inf")
    afters = []
    for buckets, key in pairs:
        free_at = buckets.free_at.get(key, now)
        after = (free_at - now if free_at > now else 0.0) + buckets.interval
        left = (buckets.period - after) / buckets.interval
        if left < least:
            tightest, after_that, least = buckets, after, left
        afters.append(after)
    told = tightest.allowance(after_that)
    if not told.retry_after:
        for (buckets, key), after in zip(pairs, afters):  # noqa: B905 - as long as each other; the check costs time
            buckets.keep(key, now, now + after)
    return told


def short(key: str) -> str:
    """A stranger's text may be long; what is kept of it is not."""
    return key if len(key) <= LONGEST_KEY else digest_of(key)


def digest_of(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
