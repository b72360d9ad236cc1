"""The promise of a limit, for any way that calls may come in."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from vestibule.model import Rate
from vestibule.policy.gcra import Buckets, count

RATES = st.builds(Rate, st.integers(1, 50), st.sampled_from([timedelta(seconds=1), timedelta(minutes=1)]))
GAPS = st.lists(st.floats(0, 90, allow_nan=False), min_size=1, max_size=200)


def passes(rate: Rate, gaps: list[float]) -> list[float]:
    """When calls were let through that came with these gaps between them."""
    buckets, now, passed = Buckets("b", rate), 1e6, []
    for gap in gaps:
        now += gap
        if not count([(buckets, "k")], now).retry_after:
            passed.append(now)
    return passed


@given(RATES, GAPS)
def test_in_any_window_no_more_pass_than_the_rate_and_what_the_time_brings(rate: Rate, gaps: list[float]) -> None:
    passed = passes(rate, gaps)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= rate.count + (passed[last] - start) / rate.interval + 1e-3


@given(RATES, st.integers(1, 200))
def test_whoever_keeps_to_the_rate_is_never_refused(rate: Rate, calls: int) -> None:
    assert len(passes(rate, [rate.interval] * calls)) == calls


@given(RATES, GAPS)
def test_what_is_told_to_be_left_is_left(rate: Rate, gaps: list[float]) -> None:
    buckets, now = Buckets("b", rate), 1e6
    for gap in gaps:
        now += gap
        told = count([(buckets, "k")], now)
    left = 0
    while not count([(buckets, "k")], now).retry_after:
        left += 1
    assert left == told.remaining


@given(RATES, GAPS)
def test_whoever_waits_as_long_as_told_is_let_through(rate: Rate, gaps: list[float]) -> None:
    buckets, now = Buckets("b", rate), 1e6
    for gap in gaps:
        now += gap
        told = count([(buckets, "k")], now)
        if told.retry_after:
            now += told.retry_after
            assert not count([(buckets, "k")], now).retry_after
