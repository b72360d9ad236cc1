"""How often an MCP caller may call, counted in this process.

A call counts in every bucket of its caller or in none: by tenant, principal, client, address, whichever the operator
chose. Every key begins with the tenant, so that nobody uses up what belongs to another tenant, although both come from
one address or with one client. A caller who is not known is counted by address, in a tenant that nobody has; from IPv6
also by the /48, which one customer may have all of.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from vestibule.errors import Allowance
from vestibule.model import Principal, Rate
from vestibule.policy.gcra import Buckets, count, short
from vestibule.protocol.caller import network_of, site_of

Part: TypeAlias = Literal["tenant", "principal", "client", "address"]
Pairs: TypeAlias = list[tuple[Buckets, str]]

SITE = 16  # times what one network may


@dataclass(frozen=True, slots=True)
class CallRates:
    """The rates of calls. `upstreams`: those with rates of their own; what they count, they count apart."""

    usual: Mapping[Part, Rate]
    upstreams: Mapping[str, Mapping[Part, Rate]]


def key_of(part: Part, principal: Principal, address: str) -> str:
    """What is counted. No tenant's name has a line end, so no two tenants' keys are alike."""
    if part == "tenant":
        return principal.tenant
    if part == "principal":
        return short(f"{principal.tenant}\n{principal.user}")
    if part == "client":
        return short(f"{principal.tenant}\n{principal.client_id}")
    return f"{principal.tenant}\n{network_of(address)}"


class Plan:
    """The buckets of one upstream, or of all that have none of their own."""

    def __init__(self, name: str, rates: Mapping[Part, Rate]) -> None:
        self.known = tuple((part, Buckets(f"{name}-{part}", rate)) for part, rate in rates.items())
        stranger = rates.get("address") or min(
            rates.values(), key=lambda rate: rate.count / rate.period.total_seconds()
        )
        self._networks = Buckets(f"{name}-address", stranger)
        self._sites = Buckets(f"{name}-site", Rate(stranger.count * SITE, stranger.period))

    def pairs(self, principal: Principal | None, address: str) -> Pairs:
        if principal is not None:
            return [(buckets, key_of(part, principal, address)) for part, buckets in self.known]
        network = network_of(address)
        pairs = [(self._networks, network)]
        if ":" in network:
            pairs.append((self._sites, site_of(address)))
        return pairs


class Plans:
    """Which buckets a call counts in."""

    def __init__(self, rates: CallRates) -> None:
        self._usual = Plan("mcp", rates.usual) if rates.usual else None
        self._own = {name: Plan(name, own) for name, own in rates.upstreams.items()}

    def pairs(self, principal: Principal | None, address: str, upstream: str) -> Pairs:
        plan = self._own.get(upstream, self._usual) if self._own else self._usual
        return plan.pairs(principal, address) if plan is not None else []

    def counts_apart(self, upstream: str) -> bool:
        return upstream in self._own


UNLIMITED = Allowance("", 0, 0, 0, 0)  # an upstream that no rate is about: nothing to tell


class LocalCallLimits:
    """Implements `ports.CallLimits`."""

    def __init__(self, rates: CallRates, monotonic: Callable[[], float]) -> None:
        self._plans = Plans(rates)
        self._monotonic = monotonic

    def take(self, principal: Principal | None, address: str, upstream: str) -> Allowance:
        pairs = self._plans.pairs(principal, address, upstream)
        return count(pairs, self._monotonic()) if pairs else UNLIMITED

    def counts_apart(self, upstream: str) -> bool:
        return self._plans.counts_apart(upstream)

    async def fetch(self, principal: Principal | None, address: str, upstream: str) -> Allowance:
        return self.take(principal, address, upstream)
