"""How often something may be tried: by a stranger, a client, a network; here and on the other replicas."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vestibule.errors import Allowance
from vestibule.model import Rate


class Throttle(Protocol):
    """The limits of the authorization server. Whoever counts for all replicas never lets this one fail: when the
    others cannot be asked, this replica's own count decides."""

    async def take(self, what: str, key: str, rate: Rate) -> Allowance:
        """Count one. Raises `TooManyRequests`, which counts nothing. `what`: one of our own few words."""

    async def forgive(self, what: str, key: str, rate: Rate) -> None:
        """One that was counted was none."""

    async def allows(self, what: str, key: str, rate: Rate) -> bool:
        """Count one if it is still allowed."""


@dataclass(frozen=True, slots=True)
class Want:
    """So many of a key, or as many of them as there are; a negative number gives back."""

    key: str  # short, and nobody's secret
    rate: Rate
    cells: int = 1


@dataclass(frozen=True, slots=True)
class Given:
    cells: int
    remaining: int
    reset: float  # seconds until it is whole again
    wait: float  # seconds until there is one more; 0 unless nothing was given


class SharedCounters(Protocol):
    """Counts that all replicas see. Losing them resets counts, and nothing else: no code or token hangs on them."""

    def is_up(self) -> bool:
        """Whether it is worth asking. It turns true again by itself."""

    async def ask(self, wants: Sequence[Want]) -> Sequence[Given]:
        """All of them in one round trip, each by itself, by the clock of the server.

        Raises `CountersUnavailable` within a fraction of a second.
        """
