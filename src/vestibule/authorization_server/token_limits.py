"""How often /token gives, and how often it is asked in vain: two counts, for each grant type.

What is given counts by client and network, because anybody can say a public client's name; where the operator wants,
by network alone as well. It is counted when the grant has been proven, so that at the limit a grant that is over is
still told so: `invalid_grant` is how a client learns to sign in again. What is refused counts apart, by what was
presented: a program that shows one dead token again and again is slowed down, and neither another token of the same
client nor another grant type notices.
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


class Admission:
    """Room for one token: a grant takes it when everything is proven, and before anything is spent."""

    def __init__(self, grant_type: str, address: str, limits: TokenLimits, throttle: Throttle) -> None:
        self.allowance: Allowance | None = None  # the tightest, when it has been taken
        self._kind = f"grant {grant_type.rpartition(':')[2]}"
        self._network = network_of(address)
        self._limit = limits.of(grant_type)
        self._throttle = throttle

    async def take(self, client_id: str) -> None:
        """Raises `TooManyRequests`, which counts nothing."""
        by_client = (self._kind, f"{client_id}\n{self._network}")
        if self._limit.client is not None:
            self.allowance = await self._throttle.take(*by_client, self._limit.client)
        if self._limit.address is None:
            return
        try:
            in_all = await self._throttle.take(f"{self._kind} by address", self._network, self._limit.address)
        except TooManyRequests:
            if self._limit.client is not None:
                await self._throttle.forgive(*by_client, self._limit.client)
            raise
        if self.allowance is None or in_all.remaining < self.allowance.remaining:
            self.allowance = in_all


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
