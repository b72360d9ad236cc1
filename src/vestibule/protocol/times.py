"""The times of a JWT (RFC 7519 §4.1): numbers of seconds since the epoch, and clocks that differ a little."""

from collections.abc import Mapping
from typing import Any

from vestibule.protocol.jwt import JwtError

LEEWAY = 60  # seconds another clock may differ from ours


def number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e15 else None  # infinity and nan are not


def check_times(claims: Mapping[str, Any], *, now: float, longest: float | None = None, needs_iat: bool = True) -> int:
    """The moment it ends. Raises `JwtError`. `longest`: seconds that it may live from now on."""
    expires_at, issued_at, not_before = (number(claims, name) for name in ("exp", "iat", "nbf"))
    if expires_at is None or now >= expires_at + LEEWAY:
        raise JwtError(f"exp is {claims.get('exp')!r}, now is {now:.0f}{_clocks(claims, now)}")
    if longest is not None and expires_at > now + longest + LEEWAY:
        raise JwtError(f"exp is {expires_at - now:.0f} s away; {longest:.0f} s is the most")
    if (issued_at is None and (needs_iat or "iat" in claims)) or (issued_at is not None and issued_at > now + LEEWAY):
        raise JwtError(f"iat is {claims.get('iat')!r}, now is {now:.0f}{_clocks(claims, now)}")
    if not_before is not None and not_before > now + LEEWAY:
        raise JwtError(f"nbf is {not_before!r}, now is {now:.0f}{_clocks(claims, now)}")
    return int(expires_at)


def _clocks(claims: Mapping[str, Any], now: float) -> str:
    """How far the clocks are apart: most tokens come seconds after they were made: `iat` is the other clock's now."""
    issued_at = number(claims, "iat")
    if issued_at is None or abs(issued_at - now) <= LEEWAY:
        return ""
    apart, side = abs(round(issued_at - now)), "ahead of" if issued_at > now else "behind"
    return f": if it is new, its maker's clock is {apart} s {side} ours ({LEEWAY} s are tolerated); set both by NTP"
