"""What the log says of refused calls: each by itself, unless they are a flood.

A line costs more than the refusal that it tells of, and a stranger can have as many refusals as the line carries. So
there are so many lines of a code in a second, and then one that tells how many there were beside them. Each code by
itself: what a stranger can have at will must not hide what only a person, an upstream or a full disk can cause.
"""

from collections.abc import Callable
from typing import Any

LINES = 50  # of one code, between two ticks of the clock: a second


class RefusalLog:
    def __init__(self, log: Callable[..., None]) -> None:
        self._log = log
        self._counts: dict[str, int] = {}

    def tell(self, code: str, **facts: Any) -> None:
        self._counts[code] = count = self._counts.get(code, 0) + 1
        if count <= LINES:
            self._log("mcp_refused", code=code, **facts)

    def tick(self) -> None:
        """A second has passed."""
        counts, self._counts = self._counts, {}
        for code, count in counts.items():
            if count > LINES:
                self._log("mcp_refused_more", level="warning", code=code, count=count - LINES)
