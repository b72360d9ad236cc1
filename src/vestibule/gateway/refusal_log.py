"""What the log says of refused calls: each by itself, unless they are a flood.

A line costs more than the refusal that it tells of, and a stranger can have as many refusals as the line carries. So
there are so many lines a second, and then one that tells how many there were beside them, by their code.
"""

from collections.abc import Callable
from typing import Any

LINES = 50  # between two ticks of the clock: a second


class RefusalLog:
    def __init__(self, log: Callable[..., None]) -> None:
        self._log = log
        self._told = 0
        self._untold: dict[str, int] = {}

    def tell(self, code: str, **facts: Any) -> None:
        if self._told < LINES:
            self._told += 1
            self._log("mcp_refused", code=code, **facts)
        else:
            self._untold[code] = self._untold.get(code, 0) + 1

    def tick(self) -> None:
        """A second has passed."""
        self._told = 0
        untold, self._untold = self._untold, {}
        for code, count in untold.items():
            self._log("mcp_refused_more", level="warning", code=code, count=count)
