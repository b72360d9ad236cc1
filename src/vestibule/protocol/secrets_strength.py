"""Whether a root secret is one: long enough, random enough, and not a sample out of somebody's documentation.

Everything sealed or tagged hangs on it, so what a person would type is refused, however long it is (CVE-2026-53709 was
a default secret that worked). 32 random bytes pass always: the chance of refusing some is below one in a million.
"""

import binascii
import itertools
import re

MIN_BYTES = 32
MIN_API_KEY = 16  # characters
_MIN_DISTINCT = 16  # 32 random bytes have about 30 different ones; fewer than 20 does not happen
_HEX = re.compile(r"[0-9a-fA-F]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_SAMPLES = re.compile(
    r"change.?me|change.?this|secret|password|example|sample|default|placeholder|replace|insecure|your.?key|vestibule|"
    r"deadbeef|12345678|abcdefgh",
    re.IGNORECASE,
)

HOW_TO_MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"


def decode_root_secret(text: str) -> bytes | None:
    """The bytes of a secret written in hexadecimal or base64 (either alphabet), or None when it is neither."""
    if _HEX.fullmatch(text) and len(text) % 2 == 0:
        return bytes.fromhex(text)
    if not _BASE64.fullmatch(text):
        return None
    body = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return binascii.a2b_base64(body + "=" * (-len(body) % 4))
    except binascii.Error:
        return None


def check_root_secret(text: str) -> str | None:
    """Why this secret cannot be used, in a clause that does not repeat it; None when it is sound."""
    if not text:
        return "it is empty"
    if _SAMPLES.search(text):
        return "it looks like a sample value"
    decoded = decode_root_secret(text)
    if decoded is None:
        return "it is neither hexadecimal nor base64url"
    if len(decoded) < MIN_BYTES:
        return f"it has {len(decoded)} bytes, and needs {MIN_BYTES}"
    if len(set(decoded)) < _MIN_DISTINCT:
        return "it is not random: too few different bytes"
    if _is_pattern(decoded):
        return "it is not random: it follows a pattern"
    if all(0x20 <= byte < 0x7F for byte in decoded):
        return "it is not random: it is readable text"
    return None


def check_api_key(text: str) -> str | None:
    """Why this string cannot be an API key, in a clause that does not repeat it; None when it is sound.

    Any form will do, because other systems made it; not what a person would think of.
    """
    if not all(0x21 <= ord(char) < 0x7F for char in text):
        return "it cannot be sent in a header: only printable ASCII without spaces can"
    if len(text) < MIN_API_KEY:
        return f"it has fewer than {MIN_API_KEY} characters"
    if len(set(text)) < MIN_API_KEY // 2 or _is_pattern(text.encode()):
        return "it is not random"
    return None


def _is_pattern(secret: bytes) -> bool:
    """Something that repeats, or one step all the way (00 01 02 …)."""
    steps = {(after - before) % 256 for before, after in itertools.pairwise(secret)}
    longest = len(secret) // 2
    return len(steps) == 1 or any(secret[period:] == secret[:-period] for period in range(1, longest + 1))
