"""The answer to tools/list for somebody who may not see all of it.

A document is collected whole and written anew; an event stream passes event by event. What cannot be read cannot be
judged, so it does not pass: the answer ends as one that the upstream broke off.
"""

from collections.abc import Callable

from vestibule.gateway.answer import ProxiedAnswer
from vestibule.gateway.headers import Header
from vestibule.gateway.heads import AnswerHead
from vestibule.protocol.event_stream import EventRewriter
from vestibule.protocol.listing import leave_out

LONGEST = 4 * 1024 * 1024  # bytes of a listing, or of one event

MayList = Callable[[str], bool]


class ListingAnswer(ProxiedAnswer):
    """Of an upstream that hides what is denied. `add` and `finish` raise `ValueError` for what cannot be read."""

    __slots__ = ("_document", "_events", "_is_modern", "_is_whole", "_may_list")

    def __init__(
        self,
        status: int,
        head: AnswerHead,
        headers: list[Header],
        *,
        date_line: bytes,
        session: bytes | None,
        may_list: MayList,
        is_modern: bool,
    ) -> None:
        if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in headers):
            raise ValueError("the upstream has compressed its answer, although it was asked not to")
        super().__init__(status, head, None, date_line=date_line, session=session)
        self._may_list = may_list
        self._is_modern = is_modern
        self._document = bytearray()
        self._is_whole = False
        self._events = EventRewriter(self._rewrite, longest=LONGEST)

    def add(self, data: bytes) -> None:
        if self.is_stream:
            passed = self._events.feed(data)
            if passed:
                super().add(passed)
            return
        self._document += data
        if len(self._document) > LONGEST:
            raise ValueError(f"a listing is longer than {LONGEST} bytes")

    def finish(self) -> None:
        left = self._events.finish() if self.is_stream else self._rewrite(bytes(self._document))
        if left:
            super().add(left)
        super().finish()
        self._is_whole = True

    def flush(self) -> bytes:
        """Of a document nothing before it is whole, so that a refusal can still take its place."""
        return super().flush() if self.is_stream or self._is_whole else b""

    @property
    def is_between_events(self) -> bool:
        return self._events.is_between_events and super().is_between_events

    def _rewrite(self, message: bytes) -> bytes:
        if b'"tools"' not in message and b"\\u" not in message:
            return message
        return leave_out(message, self._may_list, is_modern=self._is_modern)
