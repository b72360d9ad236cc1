"""Whether a root secret is one: long enough, random enough, and not a sample out of somebody's documentation."""

import base64
import binascii
import re

MIN_BYTES = 32
_MIN_DISTINCT = 16
_HEX = re.compile(r"[0-9a-fA-F]{64,}\Z")
_SAMPLES = re.compile(r"change.?me|secret|password|example|sample|default|placeholder|replace|your.?key", re.IGNORECASE)

HOW_TO_MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"


def decode_root_secret(text: str) -> bytes | None:
    """The bytes of a secret written in hexadecimal or base64url, or None when it is neither."""
    if _HEX.match(text) and len(text) % 2 == 0:
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def check_root_secret(text: str) -> str | None:
    """Why this secret cannot be used, in a sentence that does not repeat it; None when it is sound."""
    if _SAMPLES.search(text):
        return "it looks like a sample value"
    decoded = decode_root_secret(text)
    if decoded is None:
        return "it is neither hexadecimal nor base64url"
    if len(decoded) < MIN_BYTES:
        return f"it has {len(decoded)} bytes, and needs {MIN_BYTES}"
    if len(set(decoded)) < _MIN_DISTINCT:
        return "it is not random: too few different bytes"
    return None
