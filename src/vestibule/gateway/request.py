"""The request on its way to the upstream: what is kept of it, and the bytes it leaves as.

A small body waits until it is whole and leaves with its head in one write; a longer one is passed on as it comes.
"""

from collections.abc import Sequence

from vestibule.gateway.framing import Framing
from vestibule.gateway.headers import Header
from vestibule.gateway.heads import request_head
from vestibule.gateway.lasting import Lasting, apart
from vestibule.model import Era, Principal, TenantId

SMALL_BODY = 64 * 1024
_BEFORE_JSON = b" \t\r\n\0\xef\xbb\xbf\xfe\xff"  # blanks, and marks of byte orders that some parsers pass over


class ProxiedRequest:
    """`received`: how it came from the client, which need not be how it leaves."""

    __slots__ = (
        "_framing",
        "_parts",
        "_pieces",
        "_received",
        "era",
        "has_left",
        "headers",
        "is_batch",
        "is_whole",
        "method",
        "principal",
        "query",
        "session",
        "size",
    )

    def __init__(
        self,
        method: bytes,
        query: bytes,
        headers: Sequence[Header],
        received: Framing,
        *,
        era: Era,
        parts: tuple[Lasting, Sequence[Header]] | None = None,
    ) -> None:
        """`parts`: the headers that last and those that change, if somebody has told them apart already."""
        self.method = method
        self.era = era
        self._parts = parts
        self.principal: Principal | None = None  # who asks, once that is known; None too where nobody has to say
        self.session: bytes | None = None  # what the upstream knows the client's session as
        self.is_whole = received.length is None and not received.chunked
        self.has_left = False
        self.is_batch: bool | None = None  # None: nothing has come that would tell
        self.size = 0
        self.query = query
        self.headers = headers
        self._received = received
        self._framing = received
        self._pieces: list[bytes] = []

    @property
    def tenant(self) -> TenantId:
        return self.principal.tenant if self.principal is not None else ""

    @property
    def is_long(self) -> bool:
        """Whether the body is, or will be, too long to wait for."""
        return self.size > SMALL_BODY or (self._received.length or 0) > SMALL_BODY

    def add(self, data: bytes) -> bytes:
        """What of it is to be written to the upstream now: nothing, as long as the head is still here."""
        self.size += len(data)
        if self.is_batch is None and (begun := data.lstrip(_BEFORE_JSON)):
            self.is_batch = begun.startswith(b"[")
        if self.has_left:
            return b"".join(self._framing.wrap(data))
        self._pieces.append(data)
        return b""

    def finish(self) -> bytes:
        """The end of the body, to be written to the upstream if the head has left."""
        self.is_whole = True
        return self._framing.end() if self.has_left else b""

    def leave(self, *, target: bytes, authority: bytes, injected: Sequence[Header]) -> bytes:
        """The head, and what there is of the body, as it goes to an HTTP server."""
        if self.is_whole and self._received.chunked:
            self._framing = Framing(self.size, chunked=False)
        lasting, changing = self._parts or apart(self.headers)
        parts = request_head(
            method=self.method,
            target=target,
            authority=authority,
            lasting=lasting,
            changing=changing,
            session=self.session,
            injected=injected,
        )
        parts += (self._framing.line(), b"\r\n")
        for piece in self._pieces:
            parts += self._framing.wrap(piece)
        self.has_left = True
        if not self.is_whole:
            self._pieces = []
        return b"".join(parts)

    def lighten(self) -> None:
        """Let go of what only its beginning needed: an answer that stays for hours is on its way."""
        if self.is_whole:
            self._pieces = []
        if self._parts is not None:
            self.headers = self._parts[1]
            self._parts = None

    def text(self) -> bytes:
        """The whole body, if it is still here; else nothing."""
        return b"".join(self._pieces) if self.is_whole else b""
