"""A clock that moves only when it is told to."""

from datetime import UTC, datetime, timedelta


class FrozenClock:
    """Usable wherever a `ports.Clock` is wanted."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
