"""How often something may happen."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a period; all of them at once, if nothing came before."""

    count: int
    period: timedelta

    @property
    def interval(self) -> float:
        """Seconds until one more is free."""
        return self.period.total_seconds() / self.count

    @property
    def window(self) -> int:
        """The period in whole seconds, one at least."""
        return max(1, round(self.period.total_seconds()))
