"""A request that offers another protocol and has a body, as the first one of Java's client is.

To decline is to go on as if nothing had been offered (RFC 9110 §7.8). The parser has no word for that: it takes what
stands behind the head for the other protocol. So another parser is told the framing once more, and reads the body.
"""

from typing import TYPE_CHECKING

import httptools

from vestibule.gateway.framing import Framing

if TYPE_CHECKING:
    from vestibule.gateway.lane import Lane


class RestOfRequest:
    """What that parser calls: of the head nothing, of the body what every parser does."""

    def __init__(self, lane: "Lane") -> None:
        self._lane = lane
        self._is_over = False
        self.on_header = lane.on_header  # a trailer counts
        self.on_chunk_header = lane.on_chunk_header
        self.on_body = lane.on_body

    def on_message_begin(self) -> None:
        if self._is_over:  # in one packet with this one's end
            self._lane.stop_reading()

    def on_message_complete(self) -> None:
        self._is_over = True
        self._lane.parser = httptools.HttpRequestParser(self._lane)
        self._lane.on_message_complete()


def read_rest(lane: "Lane", framing: Framing) -> httptools.HttpRequestParser:
    """A parser to which the body is fed."""
    parser = httptools.HttpRequestParser(RestOfRequest(lane))
    parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing.line())
    return parser
