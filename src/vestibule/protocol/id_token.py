"""What an ID token's claims must say (OpenID Connect Core §3.1.3.7)."""

import hmac
from collections.abc import Mapping
from typing import Any

from vestibule.protocol.jwt import JwtError
from vestibule.protocol.times import LEEWAY, check_times, number

MAX_SUBJECT = 255  # OpenID Connect Core §2


def check_id_token(
    claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: int, max_age: int | None = None
) -> None:
    """Raise `JwtError` unless the token is this provider's answer to this request. `now`: seconds since the epoch."""
    if claims.get("iss") != issuer:
        raise JwtError(f"iss is {str(claims.get('iss'))[:200]!r}, not {issuer!r}")
    _check_audience(claims, client_id)
    check_times(claims, now=now)
    sent = claims.get("nonce")
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), nonce.encode()):
        raise JwtError("nonce is not the one of this sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise JwtError("sub is missing, too long or not printable")
    if max_age is not None:
        signed_in_at = number(claims, "auth_time")
        if signed_in_at is None or now - signed_in_at > max_age + LEEWAY:
            raise JwtError("auth_time is older than max_age")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise JwtError("aud is not this client")
    if len(audiences) > 1 and claims.get("azp") != client_id:
        raise JwtError("several audiences, and azp is not this client")
    if claims.get("azp") not in (None, client_id):
        raise JwtError("azp is another client")
