"""The key ring: sealing, tagging, signing."""

from collections.abc import Mapping
from typing import Any, Protocol


class Sealer(Protocol):
    """Authenticated encryption at rest and in tokens. A value sealed for one purpose opens for no other."""

    def seal(self, purpose: str, plaintext: bytes, context: bytes = b"") -> bytes:
        """AES-256-GCM under the newest key; the key's id and a fresh nonce are in the result, as bytes."""

    def open(self, purpose: str, sealed: bytes, context: bytes = b"") -> bytes | None:
        """The plaintext, or None for anything that this ring did not seal for this purpose and context."""


class Authenticator(Protocol):
    """Short keyed tags that bind two things together (a session and its principal, a form and its browser)."""

    def tag(self, purpose: str, message: bytes) -> str:
        """22 characters of base64url: 128 bits of HMAC-SHA-256 under the newest key."""

    def verify(self, purpose: str, message: bytes, tag: str) -> bool:
        """In constant time, under any key that is still accepted."""


class SigningKeys(Protocol):
    def sign_jwt(self, typ: str, claims: Mapping[str, Any]) -> str:
        """A JWT with ES256 under the newest key, whose `kid` the JWK Set has."""

    def public_jwks(self) -> Mapping[str, Any]:
        """RFC 7517 JWK Set with public members only."""
