"""The clock of the tests."""

from datetime import UTC, datetime, timedelta

import pytest

from vestibule.ports import Clock
from vestibule.testing.clock import FrozenClock


def test_it_stands_until_it_is_moved() -> None:
    start = datetime(2026, 11, 21, 12, tzinfo=UTC)
    clock = FrozenClock(start)
    port: Clock = clock
    assert port() == clock.now() == port() == start
    assert clock.advance(90) == port() == start + timedelta(seconds=90)
    assert clock.advance(timedelta(days=1)) == port() == start + timedelta(days=1, seconds=90)


def test_it_starts_at_the_present_second() -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    assert before <= FrozenClock().now() <= datetime.now(UTC)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        FrozenClock(datetime(2026, 11, 21))
