"""What the backend of somebody's own proxy is told about a caller: header lines, and a signed assertion of the same.

A header that is absent or empty is one that some proxies leave as the client sent it (Caddy, GHSA-7r4p-vjf4-gxv4). So
every line is always there, and says `-` where there is nothing to say. What is not visible ASCII, and `%` itself, is
percent-encoded as UTF-8, so that no value can end its line, its list, or be taken for `-`.

The assertion is for whoever must not trust the path: ES256 under a key of our JWK Set, for one resource, for a minute.
Its `typ` is none that we, or anybody who reads RFC 9068, take as an access token.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from vestibule.model import Principal
from vestibule.protocol.access_token import actor_claim

TYP = "vestibule-identity+jwt"
LIFETIME = 60  # seconds
REUSED_FOR = 30  # seconds; so that one is good for as long again when it leaves

NOTHING = b"-"
PREFIX = b"x-vestibule-"
ASSERTION = b"x-vestibule-assertion"
REQUEST_ID = b"x-vestibule-request-id"

_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '%"\\')

HeaderLines = tuple[tuple[bytes, bytes], ...]


def identity_lines(principal: Principal | None) -> HeaderLines:
    """Who is calling, without the assertion. None: anybody, where access is anonymous."""
    if principal is None:
        return tuple((PREFIX + name, NOTHING) for name in _NAMES)
    return tuple((PREFIX + name, value) for name, value in zip(_NAMES, _values(principal), strict=True))


def assertion_claims(principal: Principal, *, issuer: str, resource: str, now: float, jti: str) -> Mapping[str, Any]:
    """`now`: seconds since the epoch. It ends with the caller's token, if that ends before."""
    issued_at = int(now)
    return {
        "iss": issuer,
        "sub": principal.user,
        "aud": resource,
        "iat": issued_at,
        "exp": min(issued_at + LIFETIME, int(principal.expires_at.timestamp())),
        "jti": jti,
        "client_id": principal.client_id,
        "tenant": principal.tenant,
        "scope": " ".join(sorted(principal.scopes)),
        "roles": sorted(principal.roles),
        "identity": {"iss": principal.identity_issuer or principal.issuer, "sub": principal.subject},
        **({"act": actor_claim(principal.actors)} if principal.actors else {}),
    }


_NAMES = (b"user", b"subject", b"issuer", b"tenant", b"client", b"scopes", b"roles")


def _values(principal: Principal) -> tuple[bytes, ...]:
    return (
        _one(principal.user),
        _one(principal.subject),
        _one(principal.identity_issuer or principal.issuer),
        _one(principal.tenant),
        _one(principal.client_id),
        _list(principal.scopes),
        _list(principal.roles),
    )


def _one(value: str) -> bytes:
    if value == "-":
        return b"%2D"
    return quote(value, safe=_VISIBLE, errors="surrogatepass").encode("ascii") or NOTHING


def _list(values: Iterable[str]) -> bytes:
    return b" ".join(_one(value) for value in sorted(values) if value) or NOTHING
