"""How often an MCP caller may call, over all replicas: each takes a share in advance, and counts it off by itself.

A share is a tenth of the limit, divided by the number of replicas, and one call at least. What is taken counts at once
for everybody, so that replicas never give more than the limit and what they hold: in any window a tenth more, or one
call for each replica where the limit is smaller than ten for each. What a replica holds and does not use is lost after
one period, when it would have been free again anyhow.

    take    no waiting: counts off what is held; refuses while the counters have said so; else "ask"
    fetch   all that wait are asked for together, one round trip at a time

While the counters cannot be asked, this process counts for itself; the shares it has had count there as used.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from vestibule.errors import Allowance, CountersUnavailable
from vestibule.model import Principal
from vestibule.policy.gcra import MAX_KEYS, Buckets, count, digest_of
from vestibule.policy.limits import UNLIMITED, CallRates, Pairs, Plans
from vestibule.ports import Given, SharedCounters, Want
from vestibule.protocol.rate_limit import whole_seconds

TOLERANCE = 0.1  # of a limit, that all replicas together may hold
_ROUNDS = 20  # of asking, while others use up what was given


@dataclass(slots=True)
class _Held:
    """What this replica has of a key."""

    cells: int
    elsewhere: int  # what the others had left when it was asked for
    whole_at: float
    until: float  # of a monotonic clock; after it, ask anew


class LeasedCallLimits:
    """Implements `ports.CallLimits`."""

    def __init__(
        self, rates: CallRates, monotonic: Callable[[], float], counters: SharedCounters, *, replicas: int = 1
    ) -> None:
        self._plans = Plans(rates)
        self._monotonic = monotonic
        self._counters = counters
        self._replicas = replicas
        self._held: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._waiting: dict[tuple[str, str], tuple[Buckets, int]] = {}
        self._flight: asyncio.Task[None] | None = None
        self._has_departed = False

    def take(self, principal: Principal | None, address: str, upstream: str) -> Allowance | None:
        pairs = self._plans.pairs(principal, address, upstream)
        return self._take(pairs, self._monotonic()) if pairs else UNLIMITED

    def counts_apart(self, upstream: str) -> bool:
        return self._plans.counts_apart(upstream)

    async def fetch(self, principal: Principal | None, address: str, upstream: str) -> Allowance:
        pairs = self._plans.pairs(principal, address, upstream)
        for _ in range(_ROUNDS):
            found = self._take(pairs, self._monotonic()) if pairs else UNLIMITED
            if found is not None:
                return found
            await self._ask(pairs)
        return count(pairs, self._monotonic())

    def _take(self, pairs: Pairs, now: float) -> Allowance | None:
        if not self._counters.is_up():
            return count(pairs, now)
        shares = []
        for buckets, key in pairs:
            held = self._held.get((buckets.name, key))
            if held is None or held.until <= now:
                return None
            if held.cells < 1:
                return _refusal(buckets, held, now)
            shares.append(held)
        tightest, least = 0, float("inf")
        for index, held in enumerate(shares):
            held.cells -= 1
            left = held.cells + held.elsewhere
            if left < least:
                tightest, least = index, left
            if not held.cells:
                held.until = now  # the next one asks
        return _allowance(pairs[tightest][0], shares[tightest], now)

    # --- asking the others -------------------------------------------------------------------------------------------

    async def _ask(self, pairs: Pairs) -> None:
        """One round trip: this call's own, or the one that is under way."""
        if self._flight is not None and self._has_departed:
            await asyncio.shield(self._flight)
            return
        now = self._monotonic()
        for buckets, key in pairs:
            held = self._held.get((buckets.name, key))
            if held is None or held.until <= now:
                _, waiting = self._waiting.get((buckets.name, key), (buckets, 0))
                self._waiting[buckets.name, key] = (buckets, waiting + 1)
        if self._flight is None:
            self._flight = asyncio.create_task(self._fly())
            self._flight.add_done_callback(self._landed)
        await asyncio.shield(self._flight)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flight, self._has_departed = None, False
        if not flight.cancelled():
            flight.exception()  # seen, even if everybody who waited has gone

    async def _fly(self) -> None:
        await asyncio.sleep(0)  # who else is coming in this turn of the loop?
        wanted, self._waiting, self._has_departed = self._waiting, {}, True
        wants = [
            Want(f"{name}:{digest_of(key)}", buckets.rate, max(waiting, self._share(buckets)))
            for (name, key), (buckets, waiting) in wanted.items()
        ]
        try:
            answers = await self._counters.ask(wants)
        except CountersUnavailable:
            return
        now = self._monotonic()
        for (name, key), given in zip(wanted, answers, strict=True):
            self._hold((name, key), wanted[name, key][0], given, now)

    def _share(self, buckets: Buckets) -> int:
        return max(1, int(buckets.rate.count * TOLERANCE) // self._replicas)

    def _hold(self, name: tuple[str, str], buckets: Buckets, given: Given, now: float) -> None:
        until = now + (buckets.period if given.cells else given.wait)
        buckets.add(name[1], now, given.cells)  # so that losing the counters lets nobody begin anew
        before = self._held.get(name)
        kept = before.cells if before is not None and before.until > now else 0
        self._held[name] = _Held(given.cells + kept, given.remaining, now + given.reset, until)
        self._held.move_to_end(name)
        while len(self._held) > MAX_KEYS:  # whoever is dropped has been counted by the others, and is asked for anew
            self._held.popitem(last=False)


def _allowance(buckets: Buckets, held: _Held, now: float) -> Allowance:
    reset = max(0, whole_seconds(held.whole_at - now))
    return Allowance(buckets.name, buckets.rate.count, buckets.window, held.cells + held.elsewhere, reset)


def _refusal(buckets: Buckets, held: _Held, now: float) -> Allowance:
    wait, reset = max(1, whole_seconds(held.until - now)), max(1, whole_seconds(held.whole_at - now))
    return Allowance(buckets.name, buckets.rate.count, buckets.window, 0, reset, wait)
