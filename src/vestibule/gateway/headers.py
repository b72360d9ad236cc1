"""Which header lines pass, in either direction. Pure functions over names.

Toward the upstream passes what MCP needs, by name; docs/decisions/005 tells why no list of what is forbidden will do.
`_` passes in no name: WSGI, CGI and PHP read it as `-`, so that `Mcp_Session_Id` would be a session that nobody has
bound (CVE-2025-64484). A client's Connection header may name more lines that end here; it cannot reach what we add,
because ours are added after.

Toward the client everything passes that is about the answer itself. What the upstream says about cookies, origins,
transport security, authentication and caches is about its own origin, not ours; what it says to a proxy in front of us
(`X-Accel-Redirect`) is an order from somebody who has none to give.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

Header = tuple[bytes, bytes]

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings".split()
)
# Host, the body's length and Accept-Encoding are written anew; Authorization and Origin are for us, and answered here.
_TO_UPSTREAM = frozenset(
    b"accept accept-language content-type content-encoding content-language user-agent last-event-id "
    b"traceparent tracestate baggage".split()
)
_PARAMETER = b"mcp-param-"
_MCP = b"mcp-"  # the protocol's own, and what a tool declares: unknown Mcp-Param-* must be passed on

_NOT_TO_CLIENT = HOP_BY_HOP | frozenset(
    (
        b"content-length date server set-cookie set-cookie2 www-authenticate authorization authentication-info "
        b"strict-transport-security public-key-pins alt-svc x-powered-by clear-site-data location refresh link nel "
        b"report-to reporting-endpoints content-security-policy content-security-policy-report-only via "
        b"x-content-type-options service-worker-allowed set-login accept-ch critical-ch x-request-id x-sendfile "
        b"cache-control expires pragma age surrogate-control dpop-nonce"
    ).split()
)
_NOT_TO_CLIENT_PREFIXES = (b"access-control-", b"proxy-", b"x-accel-", b"x-lighttpd-", b"x-litespeed-")
_TARGETED_CACHES = b"cdn-cache-control"  # RFC 9213: `CDN-…`, `Cloudflare-CDN-…`; they overrule Cache-Control

_REMEMBER = 500  # names
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
_to_client: dict[bytes, bool] = {}


def fold(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


@lru_cache(maxsize=_REMEMBER)
def passes_to_upstream(name: bytes) -> bool:
    """Whether a client's header line of this (lower-case) name may go on."""
    # A parameter's name is the client's own, however it is folded.
    return name in _TO_UPSTREAM or (name.startswith(_MCP) and (b"_" not in name or name.startswith(_PARAMETER)))


def passes_to_client(name: bytes) -> bool:
    """Whether an upstream's header line of this (lower-case) name may go back. Decisions are remembered."""
    known = _to_client.get(name)
    if known is None:
        folded = fold(name)
        known = not (
            folded in _NOT_TO_CLIENT or folded.startswith(_NOT_TO_CLIENT_PREFIXES) or folded.endswith(_TARGETED_CACHES)
        )
        if len(_to_client) < _REMEMBER:
            _to_client[name] = known
    return known


def named_by_connection(values: Iterable[bytes]) -> frozenset[bytes]:
    """The header names that Connection headers declare to be about this hop (RFC 9110 §7.6.1), folded."""
    return frozenset(fold(name.strip()) for value in values for name in value.split(b","))


def is_sane_value(value: bytes) -> bool:
    """Whether an upstream's header value can be written into our answer: no line breaks, no control characters."""
    return _VALUE.match(value) is not None
