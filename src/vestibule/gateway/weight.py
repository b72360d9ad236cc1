"""What a request may weigh besides its body: lines of its head and its trailers, and what stands around its chunks.

The parser keeps a line until it ends and tells of no chunk extension. So the bytes are counted as they come, too: what
a packet brought in the middle of a request, and was not body, must be explained by a head of the permitted size and by
the number of chunks.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vestibule.gateway.gateway import GatewayLimits

MAX_URL = 8 * 1024
AROUND_A_CHUNK = 16  # bytes: its size, two line breaks, no extension


class Weight:
    """Of one request after the other on a connection. Everything in bytes."""

    __slots__ = ("_around", "_line_count", "_lines", "_max_head", "_max_lines", "body", "chunks", "requests")

    def __init__(self, limits: "GatewayLimits") -> None:
        self.requests = 0
        self._max_head = limits.max_head
        self._max_lines = limits.max_headers
        self.begin()

    def begin(self) -> None:
        """Another request."""
        self.requests += 1
        self.body = self.chunks = self._lines = self._line_count = self._around = 0

    def add_line(self, name: bytes, value: bytes) -> bool:
        """A header or a trailer. False: one too many, or too much in all."""
        self._lines += len(name) + len(value) + 4
        self._line_count += 1
        return self._lines <= self._max_head and self._line_count <= self._max_lines

    def add_packet(self, size: int, *, body: int) -> bool:
        """A packet that neither began nor ended the request, and how much of it was body. False: too much was not."""
        self._around += size - body
        return self._around <= self._max_head + MAX_URL + self.chunks * AROUND_A_CHUNK
