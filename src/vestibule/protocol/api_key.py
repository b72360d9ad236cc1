"""API keys as text: `vsk_`, 256 random bits in 43 characters, and a checksum in six.

The checksum (CRC-32, as GitHub's tokens have) tells a mistyped or truncated key from a real one without the store, and
lets whoever scans for leaked keys be sure of a find. It keeps nothing secret: anybody can compute it.
"""

import re
import string
import zlib

from vestibule.model import Secret, TokenDigest, digest

PREFIX = "vsk_"
ID_PREFIX = "ak_"
RANDOM_BYTES = 32
ID_BYTES = 12
PATTERN = r"vsk_[0-9A-Za-z]{49}"
"""For secret scanners; docs/api-keys.md gives it to them."""

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 43  # 62**43 is just above 2**256
_ID_LENGTH = 17
_CHECKSUM_LENGTH = 6  # 62**6 is above 2**32
_FORM = re.compile(PATTERN)


def write_api_key(random: bytes) -> Secret:
    """The key of `RANDOM_BYTES` unpredictable bytes."""
    body = PREFIX + _base62(int.from_bytes(random, "big"), _RANDOM_LENGTH)
    return Secret(body + _checksum(body))


def write_key_id(random: bytes) -> str:
    """What lists and the trail call a key, of `ID_BYTES`. No secret; no key of the configuration is called so."""
    return ID_PREFIX + _base62(int.from_bytes(random, "big"), _ID_LENGTH)


def looks_like_api_key(text: str) -> bool:
    """Whether it means to be one of ours, in whatever case and however complete."""
    return text[: len(PREFIX)].lower() == PREFIX


def read_api_key(text: str) -> TokenDigest | None:
    """What the store knows a key by, or None for what cannot be one. Every key has one spelling."""
    if _FORM.fullmatch(text) is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        return None
    return digest(text)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, place = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[place])
    return "".join(reversed(digits))
