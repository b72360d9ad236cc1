"""What a crowd has left behind goes back to the system.

Whoever leaves leaves free memory, and the C library keeps it for whoever comes next. When most of a crowd has gone it
is told to let go: a thousand streams are eight megabytes.
"""

import ctypes
from contextlib import suppress

_CROWD = 500  # connections


class CrowdWatch:
    def __init__(self) -> None:
        self._most = 0  # connections at a time, since the last crowd left

    def look(self, connections: int) -> None:
        """About once a second."""
        self._most = max(self._most, connections)
        if self._most >= _CROWD and connections <= self._most // 4:
            self._most = connections
            with suppress(OSError, AttributeError):  # glibc only
                ctypes.CDLL(None).malloc_trim(0)
