"""How a body says where it ends (RFC 9112 §6).

A request and its answer have a framing each, made with their head and not changed after. Were there one for both, an
answer that comes before the request is whole would decide how the rest of that request is written, and the upstream
would read the caller's bytes as a request of ours.
"""

from typing import NamedTuple


class Framing(NamedTuple):
    """`length` in bytes; with neither that nor chunks there is no body."""

    length: int | None
    chunked: bool

    def line(self) -> bytes:
        """The header line that tells the other side."""
        if self.chunked:
            return b"transfer-encoding: chunked\r\n"
        return b"" if self.length is None else b"content-length: %d\r\n" % self.length

    def wrap(self, data: bytes) -> tuple[bytes, ...]:
        return (b"%x\r\n" % len(data), data, b"\r\n") if self.chunked else (data,)

    def end(self) -> bytes:
        return b"0\r\n\r\n" if self.chunked else b""


NO_BODY = Framing(None, chunked=False)
CHUNKED = Framing(None, chunked=True)
