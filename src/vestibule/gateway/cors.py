"""Which pages may read our answers: the Fetch standard's CORS, for the origins that may call MCP at all.

An Origin that is not ours and not in `origins` is refused before this (403) and told nothing here. One that may call is
named to the letter, never `*`, and always without credentials: a page shows a token that it holds, and no cookie.
Headers that a page asks to send are allowed if they would pass to an upstream, or are for us.

Source: Fetch standard §3.2 (CORS protocol).
"""

import re

from vestibule.gateway.headers import Header, passes_to_upstream

MAX_AGE = 600  # seconds that a browser need not ask again
MAX_ASKED = 50  # names

_FOR_US = ("authorization", "x-api-key", "x-token-provider", "dpop")
_USUAL = (
    "accept content-type mcp-protocol-version mcp-session-id mcp-method mcp-name last-event-id traceparent tracestate"
).split()
_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^`|~-]{1,100}")

_EXPOSED = (
    b"WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, "
    b"DPoP-Nonce"
)


def cors_lines(origin: bytes) -> tuple[Header, ...]:
    """What every answer to a page of this origin says, so that the page may read it. The origin has been checked."""
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"Origin"),
    )


def allowed_headers(asked: bytes) -> bytes:
    """What a page may send: always the same, and of what it asks for that which would pass to an upstream."""
    names = [name.strip().lower() for name in asked.split(b",")[:MAX_ASKED]]
    more = [name.decode("ascii") for name in names if _NAME.fullmatch(name) and passes_to_upstream(name)]
    return ", ".join(dict.fromkeys((*_FOR_US, *_USUAL, *more))).encode("ascii")


def preflight_lines(origin: bytes, methods: tuple[bytes, ...], asked: bytes) -> tuple[Header, ...]:
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b", ".join(methods)),
        (b"access-control-allow-headers", allowed_headers(asked)),
        (b"access-control-max-age", b"%d" % MAX_AGE),
        (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    )
