"""Heads of requests and answers, written from those of the other side. What passes, `headers` decides."""

from collections.abc import Sequence
from typing import NamedTuple

from vestibule.gateway.headers import (
    Header,
    fold,
    is_sane_value,
    named_by_connection,
    passes_to_client,
)
from vestibule.gateway.lasting import SESSION, Lasting

_OF_ONE_ANSWER = frozenset((b"date", b"content-length", SESSION))  # the first two are written anew, SESSION is bound
_REMEMBERED = 200  # heads of all upstreams
_SMALL = 2048  # bytes of one that is remembered
LAST_EVENT = b"last-event-id"
_EVENT_STREAM = b"text/event-stream"

# Every answer, whatever the upstream says of it. It is for one caller: `public` would let a shared cache give it to
# everybody (RFC 9111 §3.5). And it stands on the origin of our consent page: an upstream's HTML or SVG is shown in a
# sandbox of no origin, without scripts, so that it cannot click Allow; nothing is sniffed to be such a page.
_OURS = (
    b"cache-control: no-store\r\n"
    b"x-content-type-options: nosniff\r\n"
    b"content-security-policy: sandbox; default-src 'none'\r\n"
)


def request_head(
    *,
    method: bytes,
    target: bytes,
    authority: bytes,
    lasting: Lasting,
    changing: Sequence[Header],
    session: bytes | None,
    injected: Sequence[Header],
) -> list[bytes]:
    """The head for the upstream, in pieces, without its framing and without the empty line that ends it.

    `session`: the upstream's own id of the session, or None to name none; then nothing is resumed either: an event's id
    would be all that it takes to be given somebody else's events. `injected`: our credential.
    """
    parts = [method, b" ", target, b" HTTP/1.1\r\nhost: ", authority, b"\r\naccept-encoding: identity\r\n"]
    parts.append(lasting.passing(injected))
    for name, value in lasting.kept(changing, injected):
        if name == LAST_EVENT and session is None:
            continue
        parts += (name, b": ", value, b"\r\n")
    if session is not None:
        parts += (SESSION, b": ", session, b"\r\n")
    return parts


class AnswerHead(NamedTuple):
    """What a head comes to for the client, without its status and its framing."""

    lines: bytes
    is_stream: bool
    is_text: bool  # nobody has compressed its body; we ask everybody not to


class AnswerHeads:
    """Heads of answers. An upstream says nearly the same with each, so what it comes to is remembered."""

    def __init__(self) -> None:
        self._known: dict[tuple[Header, ...], AnswerHead] = {}

    def read(self, headers: Sequence[Header]) -> AnswerHead:
        lines = tuple([line for line in headers if line[0] not in _OF_ONE_ANSWER])
        known = self._known.get(lines)
        if known is None:
            known = _answer_head(lines)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if sum([len(name) + len(value) for name, value in lines]) <= _SMALL:
                self._known[lines] = known
        return known


def _answer_head(headers: Sequence[Header]) -> AnswerHead:
    parts, is_stream, is_text = [_OURS], False, True
    ends_here = _ends_here(headers)
    for name, value in headers:
        if not passes_to_client(name) or (ends_here and fold(name) in ends_here):
            continue
        if name == b"content-type":
            is_stream = value.lower().startswith(_EVENT_STREAM)
        elif name == b"content-encoding":
            is_text = is_text and value.lower() == b"identity"
        if is_sane_value(value):
            parts += (name, b": ", value, b"\r\n")
    if is_stream:
        parts.append(b"x-accel-buffering: no\r\n")
    return AnswerHead(b"".join(parts), is_stream, is_text)


def session_of(headers: Sequence[Header]) -> bytes | None:
    """The upstream's id of a session that begins here, or None."""
    return next((value for name, value in headers if name == SESSION), None)


def _ends_here(headers: Sequence[Header]) -> frozenset[bytes]:
    values = [value for name, value in headers if name == b"connection"]
    return named_by_connection(values) if values else frozenset()
