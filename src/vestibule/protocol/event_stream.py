"""Server-sent events: rewritten on their way past, or read by us, one at a time.

Source: HTML standard §9.2.6 (interpreting an event stream). Lines end with LF, CRLF or CR; an empty line ends an event.
Only what is rewritten is written anew; an event whose data stays is passed on to the byte. One whose data becomes
nothing is left out.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

Rewrite = Callable[[bytes], bytes]

_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINES = re.compile(rb"\r\n|\n|\r")
_LONGEST_END = 4  # bytes
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


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
        self._is_first = True

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
        if self._is_first:  # behind the mark a client reads data where we would read none
            self._is_first = False
            event = event.removeprefix(_BYTE_ORDER_MARK)
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


class Event(NamedTuple):
    name: bytes
    data: bytes  # its lines joined by LF
    id: bytes  # the last one that the stream has named
    retry: int | None  # milliseconds; as this event says


class EventReader:
    """Events as a browser would dispatch them, whatever pieces they come in. An event that does not end is none."""

    def __init__(self, *, longest: int) -> None:
        """`longest`: bytes of one event."""
        self._longest = longest
        self._line = bytearray()
        self._after_cr = False
        self._is_first = True
        self._size = 0
        self._name = b""
        self._data: list[bytes] = []
        self._id = b""
        self._retry: int | None = None

    @property
    def waiting(self) -> int:
        """Bytes of an event that has not ended."""
        return self._size + len(self._line)

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole now. Raises `EventTooLong`."""
        if not data:
            return []
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]  # of a CRLF that came in two pieces
        found: list[Event] = []
        at = 0
        for end in _LINES.finditer(data):
            self._line += data[at : end.start()]
            self._take_line(found)
            at = end.end()
        self._line += data[at:]
        self._after_cr = data.endswith(b"\r")
        if self.waiting > self._longest:
            raise EventTooLong(f"an event is longer than {self._longest} bytes")
        return found

    def _take_line(self, found: list[Event]) -> None:
        line = bytes(self._line)
        self._line.clear()
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        self._size += len(line)
        if self._size > self._longest:
            raise EventTooLong(f"an event is longer than {self._longest} bytes")
        if line:
            self._take_field(line)
        else:
            self._dispatch(found)

    def _dispatch(self, found: list[Event]) -> None:
        if self._data or self._retry is not None:
            found.append(Event(self._name or b"message", b"\n".join(self._data), self._id, self._retry))
        self._name, self._data, self._retry, self._size = b"", [], None, 0

    def _take_field(self, line: bytes) -> None:
        name, value = line.partition(b":")[0], _value(line)
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value
        elif name == b"id" and b"\0" not in value:
            self._id = value
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            self._retry = int(value)


def _is_data(line: bytes) -> bool:
    return line == b"data" or line.startswith(b"data:")


def _value(line: bytes) -> bytes:
    value = line.partition(b":")[2]
    return value[1:] if value.startswith(b" ") else value
