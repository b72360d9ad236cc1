"""A clock that moves only when it is told to."""

from datetime import UTC, datetime, timedelta


class FrozenClock:
    """Usable wherever a `ports.Clock` is wanted."""

    def __init__(self, start: datetime | None = None) -> None:
        """`start`: aware; by default the present second, so that what others date by their own clock still fits."""
        self._now = start or datetime.now(UTC).replace(microsecond=0)
        self._elapsed = 0.0
        if self._now.tzinfo is None:
            raise ValueError("a clock tells its time zone")

    def __call__(self) -> datetime:
        return self._now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: float | timedelta) -> datetime:
        """Move by seconds or a timedelta, and tell the new time."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        self._elapsed += step.total_seconds()
        self._now += step
        return self._now

    def monotonic(self) -> float:
        """Seconds that have passed, whatever the clock was set to meanwhile."""
        return self._elapsed

    def set(self, by: float | timedelta) -> datetime:
        """Somebody sets the clock, back or forth; no time passes."""
        self._now += by if isinstance(by, timedelta) else timedelta(seconds=by)
        return self._now
