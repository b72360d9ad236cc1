"""Taking secrets out of what is logged: by the key that holds them, and by what they look like.

The first line of defence is not to log them at all; this is the second. Values are also bounded, and control characters
are written as escapes, so that one event is one line whatever a client calls itself.
"""

import re
from collections.abc import Mapping
from typing import Any

MAX_VALUE = 1000  # characters
MASK = "…"

_SECRET_KEYS = re.compile(
    r"token|secret|password|authorization|cookie|verifier|assertion|api_?key|credential|\bcode\b|\bstate\b|nonce|csrf",
    re.IGNORECASE,
)
_SECRET_VALUES = re.compile(
    r"\bv(?:at|rt|ac|cs|sk)_[A-Za-z0-9_\-]{8,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){1,4}"
    r"|(?:\b(?:bearer|basic)\s+)\S+"
    r"|\b(?:code|state|txn|csrf|client_secret|refresh_token|access_token|code_verifier|id_token|assertion)=[^&\s\"']+",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def clean(value: Any) -> Any:
    """A value that may stand in a log line."""
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, bytes):
        return _clean_text(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {clean(str(key)): MASK if _SECRET_KEYS.search(str(key)) else clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(one) for one in list(value)[:50]]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean_text(str(value))


def is_secret_key(key: str) -> bool:
    return _SECRET_KEYS.search(key) is not None


def _clean_text(text: str) -> str:
    text = _SECRET_VALUES.sub(MASK, text[: MAX_VALUE * 4])
    text = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}{MASK}"
