"""Lines in the log that somebody else causes: some of them, and how many there were."""

from collections.abc import Callable

_A_MINUTE = 60.0


class Seldom:
    """Says yes so many times a minute."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        """`clock`: seconds, from anywhere on."""
        self._most = most
        self._clock = clock
        self._since = float("-inf")
        self._said = 0
        self._left_out = 0

    def now(self) -> int | None:
        """How many have been left out before this one; None: this one is left out too."""
        if (now := self._clock()) - self._since >= _A_MINUTE:
            self._since, self._said = now, 0
        if self._said >= self._most:
            self._left_out += 1
            return None
        self._said += 1
        left_out, self._left_out = self._left_out, 0
        return left_out
