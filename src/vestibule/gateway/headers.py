"""Which header lines pass, in either direction. Pure functions over names; decisions are remembered per name.

Toward the upstream everything passes that is not about this hop, about who the caller is, or about where it came from.
Names are judged after folding case, `_` and `-`: `X_Forwarded_User` and `x-forwarded-user` are one name to many
servers (CVE-2025-64484). A client's Connection header may name more lines that end here; it cannot reach what we add,
because ours are added after.

Toward the client everything passes that is about the answer itself; what the upstream says about cookies, origins,
transport security and authentication is about its own origin, not ours.
"""

import re
from collections.abc import Iterable

Header = tuple[bytes, bytes]

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings".split()
)
_NOT_TO_UPSTREAM = HOP_BY_HOP | frozenset(
    (
        b"host content-length expect accept-encoding "
        b"authorization cookie cookie2 dpop api-key apikey x-api-key x-functions-key x-goog-api-key x-access-token "
        b"ocp-apim-subscription-key ocp-apim-trace x-auth-token x-amz-security-token x-csrf-token "
        b"forwarded via x-real-ip x-client-ip x-cluster-client-ip x-original-url x-rewrite-url x-original-host "
        b"x-original-uri x-original-method x-host true-client-ip cf-connecting-ip fastly-client-ip x-url-scheme "
        b"x-scheme x-http-method-override x-method-override x-http-method remote-user remote-name remote-email "
        b"remote-groups x-email x-groups x-roles x-tenant x-tenant-id x-principal x-subject x-identity "
        b"x-token-provider x-jwt-assertion x-id-token"
    ).split()
)
_IDENTITY_PREFIXES = (
    b"proxy-",
    b"x-forwarded-",
    b"x-auth-",
    b"x-authenticated-",
    b"x-remote-",
    b"x-user",
    b"x-ms-client-principal",
    b"x-ms-token-",
    b"x-amzn-oidc-",
    b"x-amzn-iap",
    b"x-goog-iap-",
    b"x-goog-authenticated-",
    b"x-pomerium-",
    b"x-vestibule-",
    b"cf-access-",
    b"tailscale-user-",
)
_NOT_TO_CLIENT = HOP_BY_HOP | frozenset(
    (
        b"content-length date server set-cookie set-cookie2 www-authenticate authorization dpop-nonce "
        b"proxy-authenticate proxy-authentication-info authentication-info strict-transport-security public-key-pins "
        b"alt-svc x-powered-by clear-site-data location refresh link nel report-to reporting-endpoints "
        b"content-security-policy content-security-policy-report-only via"
    ).split()
)

_REMEMBER = 2000  # names; a stranger can make up more
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
_to_upstream: dict[bytes, bool] = {}
_to_client: dict[bytes, bool] = {}


def fold(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


def passes_to_upstream(name: bytes) -> bool:
    """Whether a client's header line of this (lower-case) name may go on."""
    known = _to_upstream.get(name)
    if known is None:
        folded = fold(name)
        known = folded not in _NOT_TO_UPSTREAM and not folded.startswith(_IDENTITY_PREFIXES)
        if len(_to_upstream) < _REMEMBER:
            _to_upstream[name] = known
    return known


def passes_to_client(name: bytes) -> bool:
    """Whether an upstream's header line of this (lower-case) name may go back."""
    known = _to_client.get(name)
    if known is None:
        folded = fold(name)
        known = folded not in _NOT_TO_CLIENT and not folded.startswith((b"access-control-", b"proxy-"))
        if len(_to_client) < _REMEMBER:
            _to_client[name] = known
    return known


def named_by_connection(values: Iterable[bytes]) -> frozenset[bytes]:
    """The header names that Connection headers declare to be about this hop (RFC 9110 §7.6.1), folded."""
    return frozenset(fold(name.strip()) for value in values for name in value.split(b","))


def is_sane_value(value: bytes) -> bool:
    """Whether an upstream's header value can be written into our answer: no line breaks, no control characters."""
    return _VALUE.match(value) is not None
