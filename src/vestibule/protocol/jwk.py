"""What a JSON Web Key gives away (RFC 7517, RFC 7518 §6)."""

from collections.abc import Mapping
from typing import Any

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def is_private(jwk: Mapping[str, Any]) -> bool:
    """Whether it has what only its owner may know (a symmetric key always does)."""
    return bool(_PRIVATE_MEMBERS & jwk.keys()) or jwk.get("kty") == "oct"
