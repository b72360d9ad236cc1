"""Reading one claim of a token as text that may be kept and shown."""

from collections.abc import Mapping
from typing import Any

from vestibule.protocol.registration import clean_name

MAX_CLAIM = 1024  # characters


def claim_text(claims: Mapping[str, Any], name: str) -> str:
    """The claim without control characters; empty when it is missing or no string."""
    value = claims.get(name)
    return clean_name(value[:MAX_CLAIM]) if isinstance(value, str) else ""
