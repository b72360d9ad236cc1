"""The answer on its way to the client: its head, and its body as it comes."""

from collections.abc import Sequence

from vestibule.gateway.framing import CHUNKED, NO_BODY, Framing
from vestibule.gateway.headers import Header
from vestibule.gateway.heads import AnswerHead
from vestibule.gateway.lasting import SESSION
from vestibule.gateway.refusals import status_line

COMMENT = b"f\r\n: still there\n\n\r\n"  # one chunk of 15 bytes


class ProxiedAnswer:
    """`length`: of the upstream's body, or None when only its end will tell. `session`: as the client is to call it."""

    __slots__ = ("_framing", "_is_text", "_parts", "_tail", "is_stream")

    def __init__(
        self,
        status: int,
        head: AnswerHead,
        length: int | None,
        *,
        date_line: bytes,
        session: bytes | None,
    ) -> None:
        self.is_stream = head.is_stream
        self._is_text = head.is_text
        if status in (204, 304):
            self._framing = NO_BODY
        elif head.is_stream or length is None:
            self._framing = CHUNKED
        else:
            self._framing = Framing(length, False)
        self._parts = [status_line(status), date_line, head.lines, self._framing.line()]
        if session is not None:
            self._parts += (SESSION, b": ", session, b"\r\n")
        self._tail = b""

    def end_head(self, *, close: bool, request_id: str, more: Sequence[Header] = ()) -> None:
        if close:
            self._parts.append(b"connection: close\r\n")
        self._parts += [b"%b: %b\r\n" % line for line in more]
        self._parts.append(b"x-request-id: %b\r\n\r\n" % request_id.encode())

    def add(self, data: bytes) -> None:
        self._parts += self._framing.wrap(data)
        if self.is_stream:
            self._tail = (self._tail + data)[-4:] if len(data) < 4 else data[-4:]

    def finish(self) -> None:
        self._parts.append(self._framing.end())

    def flush(self) -> bytes:
        """What has been added since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)

    @property
    def is_between_events(self) -> bool:
        """Whether a comment of ours would not end up in the middle of an event."""
        ends = not self._tail or self._tail.endswith((b"\n\n", b"\r\r")) or self._tail == b"\r\n\r\n"
        return ends and self._is_text
