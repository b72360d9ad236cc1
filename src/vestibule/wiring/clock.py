"""The clock that everything is given."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from vestibule.ports import Clock


def utc_now() -> datetime:
    return datetime.now(UTC)


def seconds_of(clock: Clock) -> Callable[[], float]:
    """Seconds since the epoch by that clock; where it is the system's, by the shortest way: a call asks twice."""
    return time.time if clock is utc_now else lambda: clock().timestamp()
