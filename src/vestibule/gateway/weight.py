"""What a request may weigh besides its body: lines of its head and its trailers, and what stands around its chunks.

The parser keeps a line until it ends and tells of no chunk extension. So the bytes are counted as they come, too: what
a packet brought in the middle of a request, and was not body, must be explained by a head of the permitted size and by
the number of chunks.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vestibule.gateway.limits import GatewayLimits

MAX_URL = 8 * 1024
AROUND_A_LINE = 4  # bytes: a colon, a blank, a line break
AROUND_A_CHUNK = 16  # bytes: its size, two line breaks, no extension


class Weight:
    """Of one request after the other on a connection, in bytes and in numbers.

    Trailers are lines as well.
    """

    __slots__ = ("_around", "body", "chunks", "head", "lines", "max_head", "max_lines", "requests")

    def __init__(self, limits: "GatewayLimits") -> None:
        self.requests = 0
        self.limit(limits)
        self.begin()

    def limit(self, limits: "GatewayLimits") -> None:
        """What is too much from now on."""
        self.max_head = limits.max_head
        self.max_lines = limits.max_headers

    def begin(self) -> None:
        """Another request."""
        self.requests += 1
        self.body = self.chunks = self.head = self.lines = self._around = 0

    def add_head(self, size: int, lines: int) -> bool:
        """All lines of a head. False: it is too long."""
        self.head, self.lines = size, lines
        return size <= self.max_head and lines <= self.max_lines

    def add_trailer(self, line: tuple[bytes, bytes]) -> bool:
        """A line behind the body. False: with it, there are too many, or too long ones."""
        return self.add_head(self.head + len(line[0]) + len(line[1]) + AROUND_A_LINE, self.lines + 1)

    def add_packet(self, size: int, *, body: int) -> bool:
        """A packet that neither began nor ended the request, and how much of it was body. False: too much was not."""
        self._around += size - body
        return self._around <= self.max_head + MAX_URL + self.chunks * AROUND_A_CHUNK
