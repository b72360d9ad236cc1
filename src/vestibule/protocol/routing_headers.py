"""What a request asks for, as its head alone says it: for whoever decides without having the body.

A server of 2026-07-28 refuses a body that is not what `Mcp-Method` and `Mcp-Name` say (transports, "Standard headers").
Before such a server, and no other, the head may decide. Only what it says completely counts: the methods of earlier
eras, and completions, name what they are about in the body alone.
"""

from collections.abc import Iterable

from vestibule.errors import PolicyDenied
from vestibule.model import Operation
from vestibule.protocol.operation import MIRRORED, decode_header
from vestibule.protocol.resource_uri import has_one_spelling

_STANDARD = (b"mcp-method", b"mcp-name", b"mcp-protocol-version")
_COMPARED = frozenset({b"2026-07-28"})  # the versions whose servers compare head and body
_ABOUT_NOTHING = frozenset(
    "server/discover tools/list prompts/list resources/list resources/templates/list subscriptions/listen ping "
    "notifications/cancelled notifications/progress".split()
)


def read_routing_headers(headers: Iterable[tuple[bytes, bytes]]) -> Operation:
    """The operation that these header lines (names in lower case) tell. Raises `PolicyDenied` where they leave it open.

    `Mcp_Method` is `Mcp-Method` to WSGI, CGI and PHP, so it would be a second value there.
    """
    said: dict[bytes, bytes] = {}
    for name, value in headers:
        if (folded := name.replace(b"_", b"-")) in _STANDARD:
            if folded != name or name in said:
                raise _left_open(f"{name!r} is a second spelling or a second value")
            said[name] = value
    if said.get(b"mcp-protocol-version") not in _COMPARED:
        raise _left_open("the request is of an era whose head does not say what it asks for")
    method = decode_header(said.get(b"mcp-method", b"")) or ""
    if method in _ABOUT_NOTHING:
        return Operation(method)
    name_said = decode_header(said.get(b"mcp-name", b"")) or ""
    if method not in MIRRORED or not name_said:
        raise _left_open(f"the head of {method[:100]!r} does not say what it is about")
    if method.startswith("resources/") and not has_one_spelling(name_said):
        raise _left_open("the URI of the resource has more than one spelling")
    return Operation(method, name_said)


def _left_open(detail: str) -> PolicyDenied:
    return PolicyDenied(
        "Whether this is allowed hangs on what the request asks for, and its head does not say that.",
        action="Use a client of MCP 2026-07-28.",
        detail=detail,
    )
