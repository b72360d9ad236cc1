"""Proof Key for Code Exchange (RFC 7636), S256 only."""

import base64
import hashlib
import hmac
import re

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}\Z")  # RFC 7636 §4.1
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}\Z")  # base64url of 32 bytes, without padding


def is_challenge(text: str) -> bool:
    """Whether `text` can be an S256 code challenge."""
    return _CHALLENGE.match(text) is not None


def challenge_of(verifier: str) -> str:
    """S256 (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def proves(verifier: str, challenge: str) -> bool:
    """Whether `verifier` is what the challenge was made of. Compared in constant time (RFC 7636 §4.6)."""
    return _VERIFIER.match(verifier) is not None and hmac.compare_digest(challenge_of(verifier), challenge)
