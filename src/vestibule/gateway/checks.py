"""What a request's head must be before a byte of its body is read. One rule, one function; each raises a Refusal."""

import re
from collections.abc import Sequence

from vestibule.errors import BadRequest, BodyTooLarge, HostDenied, MethodNotAllowed, OriginDenied
from vestibule.gateway.headers import Header

_CREDENTIAL = re.compile(rb"token|api[-_.]?key|v(?:sk|at|rt|ac)_", re.IGNORECASE)
_SINGLE = frozenset(
    b"authorization x-api-key x-token-provider origin host content-length content-type content-encoding mcp-session-id "
    b"mcp-protocol-version mcp-method mcp-name last-event-id".split()
)


def check_single(headers: Sequence[Header]) -> None:
    """Headers that steer us or the upstream stand once: two values are read by nobody alike."""
    if len({name for name, _ in headers}) == len(headers):
        return
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen:
            raise BadRequest(f"The header {name.decode('ascii')} stands more than once.", action="Send it once.")
        if name in _SINGLE:
            seen.add(name)


def check_method(method: bytes, allowed: Sequence[bytes]) -> None:
    if method not in allowed:
        names = ", ".join(one.decode("ascii") for one in allowed)
        raise MethodNotAllowed(f"What this address takes is {names}.", action="Use one of them.")


def check_version(version: str) -> None:
    if version != "1.1":
        raise BadRequest("This server speaks HTTP/1.1.", action="Use a client that does.")


def check_host(host: bytes, ours: frozenset[bytes]) -> None:
    if host.lower() not in ours:
        raise HostDenied(
            "This server does not answer to that name.",
            action="Use the address in public_url; a reverse proxy must pass the Host header on.",
            detail=f"Host {host[:200]!r}",
        )


def check_origin(origin: bytes | None, allowed: frozenset[bytes]) -> bytes | None:
    """The origin as the browser wrote it, for it to find itself in our answer."""
    if origin is not None and origin.lower() not in allowed:
        raise OriginDenied(
            "Requests from pages of that origin are not allowed.",
            action="Add it to origins in the configuration, if it is yours.",
            detail=f"Origin {origin[:200]!r}",
        )
    return origin


def check_length(length: int | None, max_body: int) -> None:
    if length is not None and length > max_body:
        raise BodyTooLarge(f"The body is longer than {max_body} bytes.", action="Send less at once.")


def check_framing(method: bytes, length: int | None, *, chunked: bool) -> None:
    """Nobody reads the body of a GET here, and somebody behind us might."""
    if method != b"POST" and (length or chunked):
        raise BadRequest("Only a POST has a body in MCP.", action="Send the message with POST.")


def check_query(query: bytes) -> None:
    """Where nobody has to show anything, what somebody shows in the URL would reach the upstream, and its log."""
    if query and _CREDENTIAL.search(query):
        raise BadRequest(
            "A token or an API key does not belong in a URL: it ends in logs and histories.",
            action="Send it in the Authorization header, or a key in X-API-Key.",
        )
