"""Assertions: signed JWTs that say who a client is, or who somebody is that it asks for (RFC 7521, RFC 7523).

Three kinds, each with its own rules and its own check: a client's own assertion (private_key_jwt), an identity
assertion of an enterprise's provider (ID-JAG), and what a workload's platform says of it. Whose keys verify the
signature is decided before; that a `jti` counts once is the caller's to remember.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vestibule.protocol.id_token import MAX_SUBJECT
from vestibule.protocol.jwt import JwtError
from vestibule.protocol.times import check_times

CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ID_JAG = "oauth-id-jag+jwt"

LONGEST_CLIENT_ASSERTION = 600  # seconds ahead that exp may be: it is made for one request
LONGEST_IDENTITY_ASSERTION = 3600
LONGEST_WORKLOAD_TOKEN = 24 * 3600  # a projected service-account token lives for hours

MAX_ASSERTION = 16 * 1024


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an assertion says that has passed its check."""

    issuer: str
    subject: str
    expires_at: int  # seconds since the epoch
    jti: str = field(default="", repr=False)
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> bytes:
        """What is remembered of it, so that it counts once."""
        return hashlib.sha256(f"{self.issuer}\n{self.jti}".encode("utf-8", "surrogatepass")).digest()


def check_client_assertion(
    header: Mapping[str, Any], claims: Mapping[str, Any], *, client_id: str, audiences: Sequence[str], now: float
) -> Assertion:
    """RFC 7523 §3 with §2.2: iss and sub are the client, aud is us and nobody else. Raises `JwtError`.

    `audiences`: our issuer and, as older clients write it, the endpoint. An audience beside them would make the
    assertion good at another server too (CVE-2025-27370).
    """
    if header.get("typ", "JWT").lower() not in ("jwt", "client-authentication+jwt"):
        raise JwtError(f"typ is {str(header.get('typ'))[:40]!r}")
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise JwtError("iss and sub are not both the client_id")
    _check_only_audience(claims, audiences)
    expires_at = check_times(claims, now=now, longest=LONGEST_CLIENT_ASSERTION, needs_iat=False)
    return Assertion(client_id, client_id, expires_at, _jti(claims), claims)


def check_identity_assertion(
    header: Mapping[str, Any], claims: Mapping[str, Any], *, issuer: str, audience: str, client_id: str, now: float
) -> Assertion:
    """An ID-JAG (draft-ietf-oauth-identity-assertion-authz-grant; MCP enterprise-managed authorization §5.1).

    It is for one client, which must be the one that authenticated, and for us alone. Raises `JwtError`.
    """
    if header.get("typ") != ID_JAG:
        raise JwtError(f"typ is {str(header.get('typ'))[:40]!r}, not {ID_JAG}")
    if claims.get("iss") != issuer:
        raise JwtError("iss is not the issuer whose keys these are")
    if claims.get("client_id") != client_id:
        raise JwtError(f"client_id is {str(claims.get('client_id'))[:200]!r}, authenticated is {client_id[:200]!r}")
    _check_only_audience(claims, (audience,))
    expires_at = check_times(claims, now=now, longest=LONGEST_IDENTITY_ASSERTION)
    return Assertion(issuer, _subject(claims), expires_at, _jti(claims), claims)


def check_workload_token(
    header: Mapping[str, Any], claims: Mapping[str, Any], *, issuer: str, audience: str, now: float
) -> Assertion:
    """What a workload's platform says of it (Kubernetes, a CI system, SPIFFE). Raises `JwtError`.

    A platform's token may be used until it ends: many have no jti and are read from a file again and again. What keeps
    a stolen one from being used elsewhere is its audience.
    """
    if header.get("typ") in (ID_JAG, "at+jwt", "application/at+jwt", "dpop+jwt"):
        raise JwtError(f"typ is {header['typ']!r}: another kind of token")
    if claims.get("iss") != issuer:
        raise JwtError("iss is not the issuer whose keys these are")
    _check_only_audience(claims, (audience,))
    expires_at = check_times(claims, now=now, longest=LONGEST_WORKLOAD_TOKEN, needs_iat=False)
    return Assertion(issuer, _subject(claims), expires_at, "", claims)


def _check_only_audience(claims: Mapping[str, Any], accepted: Sequence[str]) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not audiences or not all(one in accepted for one in audiences):
        raise JwtError(f"aud is {str(audience)[:200]!r}")


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise JwtError("sub is missing, too long or not printable")
    return subject


def _jti(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= 255 or not jti.isprintable():
        raise JwtError("jti is missing or too long")
    return jti
