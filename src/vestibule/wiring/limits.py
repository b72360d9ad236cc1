"""The operator's limits as the parts that count."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vestibule.authorization_server.token_limits import GrantLimit, TokenLimits
from vestibule.config import Configuration
from vestibule.config.limits import Part, Rates
from vestibule.model import Rate
from vestibule.policy import CallRates, LeasedCallLimits, LocalCallLimits, LocalThrottle, SharedThrottle
from vestibule.ports import CallLimits, Throttle
from vestibule.protocol.registration import CLIENT_CREDENTIALS, DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE
from vestibule.stores.redis import RedisCounters, make_counters
from vestibule.telemetry import event_logger

_GRANT_TYPES = {
    "authorization_code": "authorization_code",
    "refresh_token": "refresh_token",
    "client_credentials": CLIENT_CREDENTIALS,
    "device_code": DEVICE_CODE,
    "token_exchange": TOKEN_EXCHANGE,
    "jwt_bearer": JWT_BEARER,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that counts."""

    monotonic: Callable[[], float]
    throttle: Throttle
    calls: CallLimits | None  # None: calls are not limited
    counters: RedisCounters | None  # None: every replica counts for itself

    async def close(self) -> None:
        if self.counters is not None:
            await self.counters.close()


async def open_limits(configuration: Configuration, monotonic: Callable[[], float]) -> Limits:
    """Raises `StartError` for an address that cannot be used; a server that is not there is waited for by nobody."""
    rates, local = call_rates(configuration), LocalThrottle(monotonic)
    limited = bool(rates.usual or rates.upstreams)
    if configuration.shared == "memory":
        return Limits(monotonic, local, LocalCallLimits(rates, monotonic) if limited else None, None)
    counters = make_counters(
        configuration.shared,
        name=configuration.issuer,
        log=event_logger("limits"),
        ca_file=configuration.outbound.ca_file,
    )
    await counters.open()
    calls = LeasedCallLimits(rates, monotonic, counters, replicas=configuration.processes) if limited else None
    return Limits(monotonic, SharedThrottle(counters, local), calls, counters)


def counts_alike(one: Configuration, other: Configuration) -> bool:
    """Whether what has been counted under one configuration counts under the other."""
    return _counted(one) == _counted(other)


def _counted(configuration: Configuration) -> tuple[object, ...]:
    ca_file, processes = configuration.outbound.ca_file, configuration.processes
    return configuration.limits, configuration.shared, configuration.issuer, ca_file, processes


def call_rates(configuration: Configuration) -> CallRates:
    limits = configuration.limits
    usual = limits.mcp if limits.mcp is not None else limits.default
    return CallRates(
        usual=_by_part(usual, limits.per) if usual is not None else {},
        upstreams={name: _by_part(rates, limits.per) for name, rates in limits.upstreams.items()},
    )


def _by_part(rates: Rates, per: tuple[Part, ...]) -> Mapping[Part, Rate]:
    if isinstance(rates, Rate):
        return dict.fromkeys(per, rates)
    return {part: rates[part] for part in ("tenant", "principal", "client", "address") if part in rates}


def token_limits(configuration: Configuration) -> TokenLimits:
    limits = configuration.limits
    usual = limits.oauth if limits.oauth is not None else limits.default
    return TokenLimits(
        usual=_grant_limit(usual) if usual is not None else GrantLimit(),
        grants={_GRANT_TYPES[name]: _grant_limit(rates) for name, rates in limits.grants.items()},
    )


def _grant_limit(rates: Rates) -> GrantLimit:
    if isinstance(rates, Rate):
        return GrantLimit(client=rates)
    return GrantLimit(client=rates.get("client"), address=rates.get("address"))
