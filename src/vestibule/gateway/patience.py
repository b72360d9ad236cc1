"""How long we wait for a client: one rule for all that a connection can be held open with.

    REQUEST   the next request has not begun; an empty line before it (RFC 9112 §2.2) begins nothing
    HEAD      from the first byte of a head to its last; dripping does not help
    BODY      of a proxied request, of the application's, or of one that is refused and only read past: a time to begin
              with, and a little more for every byte
    OURS      the client has said all that it had to say; who works on the answer watches its own time

In each turn but the last there is a moment when our patience is over, and then the connection is, too. No time passes
while we do not read. A client that does not read has its own measure: bytes that wait and do not become fewer.
"""

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vestibule.gateway.limits import GatewayLimits


class Turn(IntEnum):
    REQUEST = 0
    HEAD = 1
    BODY = 2
    OURS = 3


class Patience:
    """All times are the loop's, in seconds."""

    __slots__ = ("_limits", "_over_at", "_seconds", "_unread", "_unread_since", "turn")

    def __init__(self, limits: "GatewayLimits", now: float) -> None:
        self._limits = limits
        self._seconds = (limits.idle_seconds, limits.head_seconds, limits.body_seconds, float("inf"))
        self._unread = 0
        self._unread_since = now
        self.begin(Turn.REQUEST, now)

    def begin(self, turn: Turn, now: float) -> None:
        self.turn = turn
        self._over_at = now + self._seconds[turn]

    def came(self, size: int, now: float) -> None:
        """So many bytes of a body. A byte a minute must not keep a connection for the years that ten megabytes take."""
        if self.turn is not Turn.BODY:
            return
        earned = self._over_at + size / self._limits.body_bytes_per_second
        self._over_at = min(earned, now + self._limits.body_seconds)

    def is_over(self, now: float) -> bool:
        return now >= self._over_at

    def is_unread(self, size: int, now: float) -> bool:
        """Whether `size` bytes of an answer have waited too long without one of them being taken."""
        if self._unread == 0 or size < self._unread:
            self._unread_since = now
        self._unread = size
        return now - self._unread_since > self._limits.unread_seconds
