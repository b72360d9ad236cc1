"""When something that has ended may be started again."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
SOUND_SECONDS = 60.0  # what has lived so long has not failed
MAX_REMEMBERED = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    free_at: float


class Backoff:
    """Of many things, each by its key. The first failure costs nothing: a call may have been too much for a server.

    From the second in a row on it is half a second, then twice as long each time, up to thirty; up to half of it is
    left off by chance, so that what ended together does not start together.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        """`jitter`: from 0 to 1."""
        self._jitter = jitter
        self._failures: dict[Hashable, _Failures] = {}

    def wait(self, key: Hashable, now: float) -> float:
        """Seconds to wait before it may be started; 0: none."""
        failures = self._failures.get(key)
        return 0.0 if failures is None else max(0.0, failures.free_at - now)

    def failed(self, key: Hashable, *, lived: float, now: float) -> None:
        """It has ended by itself, after so many seconds."""
        before = self._failures.pop(key, None)
        count = 1 if before is None or lived >= SOUND_SECONDS else before.count + 1
        delay = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(count - 2, 10)) if count > 1 else 0.0
        self._failures[key] = _Failures(count, now + delay * (1.0 - self._jitter() / 2))
        if len(self._failures) > MAX_REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def tick(self, now: float) -> None:
        """Forget what has been well, or unasked for, long enough."""
        for key, failures in list(self._failures.items()):
            if now - failures.free_at > 2 * SOUND_SECONDS:
                del self._failures[key]
