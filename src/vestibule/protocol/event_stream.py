"""Server-sent events on their way past: whole events, one at a time, with their data rewritten.

Source: HTML standard §9.2.6 (interpreting an event stream). Lines end with LF, CRLF or CR; an empty line ends an event.
Only what is rewritten is written anew; an event whose data stays is passed on to the byte. One whose data becomes
nothing is left out.
"""

import re
from collections.abc import Callable

Rewrite = Callable[[bytes], bytes]

_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINES = re.compile(rb"\r\n|\n|\r")
_LONGEST_END = 4  # bytes


class EventTooLong(ValueError):
    """One event is longer than anybody needs."""


class EventRewriter:
    def __init__(self, rewrite: Rewrite, *, longest: int, rewrite_id: Rewrite | None = None) -> None:
        """`rewrite`: an event's data, its lines joined by LF → what it shall be. `longest`: bytes of one event.

        `rewrite_id`: the same for the ids of events, by which a client comes back; None: they stay.
        """
        self._rewrite = rewrite
        self._rewrite_id = rewrite_id
        self._longest = longest
        self._waiting = bytearray()

    @property
    def is_between_events(self) -> bool:
        return not self._waiting

    def feed(self, data: bytes) -> bytes:
        """What may go on: every event that is whole now. Raises `EventTooLong`, and whatever `rewrite` raises."""
        waiting, out, at = self._waiting, [], 0
        seen = max(0, len(waiting) - _LONGEST_END)  # before it there is no end
        waiting += data
        for end in _END.finditer(waiting, seen):
            if end.end() == len(waiting) and waiting.endswith(b"\r"):
                break  # the LF of a CRLF may be still to come
            out.append(self._event(bytes(waiting[at : end.start()]), end[0]))
            at = end.end()
        self._waiting = waiting[at:]
        if len(self._waiting) > self._longest:
            raise EventTooLong(f"an event is longer than {self._longest} bytes")
        return b"".join(out)

    def finish(self) -> bytes:
        """What is left when the stream ends: an unfinished event, which no client would dispatch, is dropped."""
        waiting, self._waiting = bytes(self._waiting), bytearray()
        end = _END.search(waiting)
        return self._event(waiting[: end.start()], end[0]) if end is not None else b""

    def _event(self, event: bytes, end: bytes) -> bytes:
        lines = _LINES.split(event)
        rest = [self._other(line) for line in lines if line and not _is_data(line)]
        is_same = rest == [line for line in lines if line and not _is_data(line)]
        data = [_value(line) for line in lines if _is_data(line)]
        before = b"\n".join(data)
        after = self._rewrite(before) if data else b""
        if after == before and is_same:
            return event + end
        if before and not after:
            return b""
        return b"\n".join([*rest, *(b"data: " + line for line in after.split(b"\n") if data)]) + b"\n\n"

    def _other(self, line: bytes) -> bytes:
        if self._rewrite_id is None or not (line == b"id" or line.startswith(b"id:")):
            return line
        return b"id: " + self._rewrite_id(_value(line)) if _value(line) else line


def _is_data(line: bytes) -> bool:
    return line == b"data" or line.startswith(b"data:")


def _value(line: bytes) -> bytes:
    value = line.partition(b":")[2]
    return value[1:] if value.startswith(b" ") else value
