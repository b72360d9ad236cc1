"""Heads of requests and answers, written from those of the other side. What passes, `headers` decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vestibule.gateway.headers import (
    Header,
    fold,
    is_sane_value,
    named_by_connection,
    passes_to_client,
    passes_to_upstream,
)
from vestibule.gateway.refusals import status_line

SESSION = b"mcp-session-id"
_OF_SESSIONS = frozenset({SESSION, b"last-event-id"})
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
    headers: Sequence[Header],
    session: bytes | None,
    injected: Sequence[Header],
) -> list[bytes]:
    """The head for the upstream, in pieces, without its framing and without the empty line that ends it.

    `session`: the upstream's own id of the session, or None to name none; then nothing is resumed either: an event's id
    would be all that it takes to be given somebody else's events. `injected`: our credential; what a client
    sends under such a name, however it spells it, does not pass.
    """
    parts = [method, b" ", target, b" HTTP/1.1\r\nhost: ", authority, b"\r\naccept-encoding: identity\r\n"]
    ends_here = _ends_here(headers)
    ours = {fold(name) for name, _ in injected}
    for name, value in headers:
        if not passes_to_upstream(name):
            continue
        if ends_here and fold(name) in ends_here and not name.startswith(b"mcp-"):
            continue
        if ours and fold(name) in ours:
            continue
        if name in _OF_SESSIONS:
            if session is None:
                continue
            value = session if name == SESSION else value
        parts += (name, b": ", value, b"\r\n")
    for name, value in injected:
        parts += (name, b": ", value, b"\r\n")
    return parts


@dataclass(slots=True)
class AnswerHead:
    """The head for the client, in pieces, without its framing and without the empty line that ends it."""

    parts: list[bytes]
    is_stream: bool


def answer_head(
    status: int, headers: Sequence[Header], *, date_line: bytes, bind_session: Callable[[bytes], bytes | None]
) -> AnswerHead:
    """`bind_session`: makes the client's id of a session from the upstream's, or None when that is no id."""
    head = AnswerHead([status_line(status), date_line, _OURS], is_stream=False)
    parts = head.parts
    ends_here = _ends_here(headers)
    for name, value in headers:
        if not passes_to_client(name) or (ends_here and fold(name) in ends_here):
            continue
        if name == SESSION:
            bound = bind_session(value)
            if bound is None:
                continue
            value = bound
        elif name == b"content-type":
            head.is_stream = value.lower().startswith(_EVENT_STREAM)
        if is_sane_value(value):
            parts += (name, b": ", value, b"\r\n")
    if head.is_stream:
        parts.append(b"x-accel-buffering: no\r\n")
    return head


def _ends_here(headers: Sequence[Header]) -> frozenset[bytes]:
    values = [value for name, value in headers if name == b"connection"]
    return named_by_connection(values) if values else frozenset()
