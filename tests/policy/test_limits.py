"""Limits in one process: what counts, what is refused, what is told, and what is held of whom."""

from collections.abc import Mapping

import pytest

from tests.policy.conftest import per_minute, somebody
from vestibule.errors import Allowance
from vestibule.model import Principal, Rate
from vestibule.policy import CallRates, LocalCallLimits
from vestibule.policy.gcra import Buckets, count
from vestibule.policy.limits import SITE, UNLIMITED, Part
from vestibule.protocol.rate_limit import rate_limit_headers
from vestibule.testing.clock import FrozenClock

HERE = "192.0.2.7"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def limits(clock: FrozenClock, usual: Mapping[Part, Rate], **upstreams: Mapping[Part, Rate]) -> LocalCallLimits:
    return LocalCallLimits(CallRates(usual, upstreams), clock.monotonic)


def passed(limits: LocalCallLimits, caller: Principal | None, times: int, address: str = HERE, at: str = "a") -> int:
    """How many of so many calls are let through."""
    return sum(not limits.take(caller, address, at).retry_after for _ in range(times))


def test_so_many_pass_at_once_and_then_one_an_interval(clock: FrozenClock) -> None:
    some = limits(clock, {"principal": per_minute(20)})
    assert passed(some, somebody(), 30) == 20
    clock.advance(3)
    assert passed(some, somebody(), 5) == 1
    clock.advance(60)
    assert passed(some, somebody(), 30) == 20


def test_a_refused_call_costs_nothing(clock: FrozenClock) -> None:
    some = limits(clock, {"principal": per_minute(20)})
    passed(some, somebody(), 1000)
    clock.advance(3)
    assert passed(some, somebody(), 1) == 1


def test_whoever_waits_as_long_as_told_is_let_through(clock: FrozenClock) -> None:
    some = limits(clock, {"principal": per_minute(7)})
    passed(some, somebody(), 7)
    for _ in range(20):
        clock.advance(some.take(somebody(), HERE, "a").retry_after)
        assert passed(some, somebody(), 1) == 1


def test_a_call_counts_in_every_bucket_or_in_none(clock: FrozenClock) -> None:
    some = limits(clock, {"tenant": per_minute(5), "principal": per_minute(3)})
    assert passed(some, somebody("ada"), 10) == 3
    assert passed(some, somebody("bob"), 10) == 2  # ada's refused calls took nothing of the tenant's


def test_an_upstream_with_a_rate_of_its_own_counts_apart(clock: FrozenClock) -> None:
    some = limits(clock, {"principal": per_minute(3)}, tickets={"principal": per_minute(2)})
    assert passed(some, somebody(), 9, at="tickets") == 2
    assert passed(some, somebody(), 9, at="wiki") == 3


def test_what_is_told_is_the_tightest(clock: FrozenClock) -> None:
    some = limits(clock, {"tenant": per_minute(100), "principal": per_minute(4)})
    assert some.take(somebody(), HERE, "a") == Allowance("mcp-principal", 4, 60, 3, 15)
    passed(some, somebody(), 3)
    assert some.take(somebody(), HERE, "a") == Allowance("mcp-principal", 4, 60, 0, 60, 15)


def test_the_headers_are_those_of_the_draft() -> None:
    told = dict(rate_limit_headers(Allowance("mcp-principal", 200, 60, 150, 12)))
    assert told == {"ratelimit-policy": '"mcp-principal";q=200;w=60', "ratelimit": '"mcp-principal";r=150;t=12'}
    assert rate_limit_headers(UNLIMITED) == ()
    refused = dict(rate_limit_headers(Allowance("mcp-principal", 200, 60, 0, 60, 3)))
    assert refused["retry-after"] == "3"


def test_two_clients_of_a_person_share_what_is_the_persons(clock: FrozenClock) -> None:
    some = limits(clock, {"principal": per_minute(3)})
    assert passed(some, somebody(client="desk"), 2) + passed(some, somebody(client="phone"), 2) == 3


def test_strangers_are_counted_by_address_whatever_is_configured(clock: FrozenClock) -> None:
    some = limits(clock, {"principal": per_minute(3)})
    assert passed(some, None, 9) == 3
    assert passed(some, None, 9, address="192.0.2.8") == 3
    assert passed(some, somebody(), 9) == 3


def test_one_customers_networks_of_ipv6_are_limited_together(clock: FrozenClock) -> None:
    some = limits(clock, {"address": per_minute(3)})
    assert passed(some, None, 9, address="2001:db8:1:2::1") + passed(some, None, 9, address="2001:db8:1:2:ffff::9") == 3
    hopping = sum(passed(some, None, 1, address=f"2001:db8:7:{number:x}::1") for number in range(1000))
    assert hopping == 3 * SITE
    assert passed(some, None, 1, address="2001:db8:8::1") == 1


def test_ipv4_in_the_clothes_of_ipv6_is_ipv4(clock: FrozenClock) -> None:
    some = limits(clock, {"address": per_minute(3)})
    assert passed(some, None, 9, address=HERE) + passed(some, None, 9, address=f"::ffff:{HERE}") == 3


def test_keys_are_forgotten_when_they_say_nothing_any_more(clock: FrozenClock) -> None:
    buckets = Buckets("b", per_minute(5))
    for number in range(1000):
        count([(buckets, str(number))], clock.monotonic())
    clock.advance(61)
    count([(buckets, "x")], clock.monotonic())
    assert len(buckets.free_at) == 1


def test_throw_away_keys_do_not_push_out_an_exhausted_one(clock: FrozenClock) -> None:
    buckets = Buckets("b", per_minute(5), max_keys=100)
    for _ in range(5):
        count([(buckets, "exhausted")], clock.monotonic())
    for number in range(10_000):
        assert not count([(buckets, f"throw-away-{number}")], clock.monotonic()).retry_after
        clock.advance(0.001)
    assert len(buckets.free_at) <= 100
    assert count([(buckets, "exhausted")], clock.monotonic()).retry_after
