"""How often /token gives, and how often it is asked in vain: two counts, for each grant type.

What is given counts by client and network, because anybody can say a public client's name; where the operator wants,
by network alone as well. What is refused counts apart, by what was presented: a program that shows one dead token
again and again is slowed down, and neither another token of the same client nor another grant type notices. At the
limit of what is given, a grant that is over is still told so: `invalid_grant` is how a client learns to sign in again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vestibule.errors import Allowance, OAuthError, TooManyRequests
from vestibule.model import Rate
from vestibule.ports import Throttle
from vestibule.protocol.caller import network_of
from vestibule.protocol.parameters import Parameters

_PRESENTED = ("code", "refresh_token", "device_code", "subject_token", "assertion")


@dataclass(frozen=True, slots=True)
class GrantLimit:
    """For one grant type; None: no limit."""

    client: Rate | None = None  # of one client at one network
    address: Rate | None = None  # of one network in all


@dataclass(frozen=True, slots=True)
class TokenLimits:
    usual: GrantLimit = GrantLimit()
    grants: Mapping[str, GrantLimit] = field(default_factory=dict)

    def of(self, grant_type: str) -> GrantLimit:
        return self.grants.get(grant_type, self.usual)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for what at /token."""

    grant_type: str
    client_id: str
    address: str

    def counts(self, limit: GrantLimit) -> list[tuple[str, str, Rate]]:
        """What a token that is given counts in: what, key, rate."""
        kind, network = f"grant {self.grant_type.rpartition(':')[2]}", network_of(self.address)
        counts = []
        if limit.client is not None:
            counts.append((kind, f"{self.client_id}\n{network}", limit.client))
        if limit.address is not None:
            counts.append((f"{kind} by address", network, limit.address))
        return counts


async def take(asker: Asker, limits: TokenLimits, throttle: Throttle) -> Allowance | None:
    """Count a token before it is given, so that many at once are not all given. Raises `TooManyRequests`."""
    tightest: Allowance | None = None
    taken: list[tuple[str, str, Rate]] = []
    for what, key, rate in asker.counts(limits.of(asker.grant_type)):
        try:
            allowance = await throttle.take(what, key, rate)
        except TooManyRequests:
            await _forgive(taken, throttle)
            raise
        taken.append((what, key, rate))
        if tightest is None or allowance.remaining < tightest.remaining:
            tightest = allowance
    return tightest


async def forgive(asker: Asker, limits: TokenLimits, throttle: Throttle) -> None:
    """Nothing was given after all."""
    await _forgive(asker.counts(limits.of(asker.grant_type)), throttle)


async def _forgive(counts: list[tuple[str, str, Rate]], throttle: Throttle) -> None:
    for what, key, rate in counts:
        await throttle.forgive(what, key, rate)


async def count_refusal(
    error: OAuthError, form: Parameters, client_id: str, address: str, limits: TokenLimits, throttle: Throttle
) -> None:
    """Raises `TooManyRequests` in place of the refusal when the same has been refused too often."""
    rate = limits.of(form.get("grant_type")).client
    if rate is None or isinstance(error, TooManyRequests):
        return
    presented = next((form.get(name) for name in _PRESENTED if form.get(name)), "")
    key = "\n".join((form.get("grant_type"), client_id or form.get("client_id"), network_of(address), presented))
    await throttle.take("refused requests", key, rate)
