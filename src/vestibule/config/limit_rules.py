"""Rules about limits that one rate cannot say by itself."""

from collections.abc import Iterator

from vestibule.config.aggregate import ALL
from vestibule.config.limits import Rates
from vestibule.config.models import Configuration
from vestibule.errors import Fault
from vestibule.model import Rate

_SLOWEST = 60.0  # seconds between two tokens of a grant type


def token_rates(configuration: Configuration) -> Iterator[tuple[str, Rates]]:
    """Every rate of /token, with its key. `default` is one where oauth says nothing."""
    limits = configuration.limits
    if limits.oauth is not None:
        yield "limits.oauth", limits.oauth
    elif limits.default is not None:
        yield "limits.default", limits.default
    for grant, rates in limits.grants.items():
        yield f"limits.grants.{grant}", rates


def parts_are_known_where_they_count(configuration: Configuration) -> Iterator[Fault]:
    for key, rates in token_rates(configuration):
        if key != "limits.default" and isinstance(rates, dict) and not set(rates) <= {"client", "address"}:
            yield Fault(key, "at /token nobody knows yet whose tenant and person it is", "name client and address only")


def grants_are_not_locked_out(configuration: Configuration) -> Iterator[Fault]:
    """A person signs in again, on a second device or after an error, and must not wait for an hour."""
    for key, rates in token_rates(configuration):
        for rate in rates.values() if isinstance(rates, dict) else (rates,):
            if isinstance(rate, Rate) and rate.interval > _SLOWEST:
                yield Fault(
                    key, "whoever signs in twice would wait for longer than a minute", "allow 1/minute at least"
                )
                break


def upstreams_with_limits_exist(configuration: Configuration) -> Iterator[Fault]:
    names = {upstream.name for upstream in configuration.upstreams}
    if configuration.aggregate.enabled:
        names.add(ALL)
    for name in configuration.limits.upstreams:
        if name not in names:
            yield Fault(f"limits.upstreams.{name}", "there is no upstream of this name", "name one of upstreams")
