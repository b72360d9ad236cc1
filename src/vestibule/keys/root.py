"""One root secret, and the keys that are derived from it.

HKDF-SHA-256 gives each purpose its own key, so that none of them tells anything about another or about the root. The
key's id is derived too: replicas that were given the same secret agree on it, and a damaged file is noticed.
"""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ROOT_BYTES = 32
KEY_ID_BYTES = 4  # distinguishes the few keys of one ring; it is no secret and no proof

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class KeyStatus(StrEnum):
    ACTIVE = "active"  # the newest active key seals, tags and signs
    ACCEPTED = "accepted"  # still opens: published and not yet used, or used and not yet dropped


@dataclass(frozen=True, slots=True)
class RootKey:
    """A root secret with its life story. All else is derived."""

    secret: bytes = field(repr=False)  # 32 bytes or more
    created_at: datetime | None = None  # UTC; None when the configuration gave it
    status: KeyStatus = KeyStatus.ACTIVE

    @property
    def key_id(self) -> str:
        """8 hexadecimal digits."""
        return derive(self.secret, "key id", KEY_ID_BYTES).hex()


class DerivedKeys:
    """What one root secret is used through. Made once; deriving costs about 100 µs."""

    __slots__ = ("check_value", "cipher", "key_id", "public_jwk", "tag_key")

    def __init__(self, root: RootKey) -> None:
        self.key_id = bytes.fromhex(root.key_id)
        self.cipher = AESGCM(derive(root.secret, "sealing", 32))
        self.tag_key = derive(root.secret, "tags", 32)
        self.check_value = derive(root.secret, "check value", 32)
        self.public_jwk = _public_jwk(signing_key(root), root.key_id)


def derive(secret: bytes, purpose: str, length: int) -> bytes:
    """`length` bytes for this purpose (RFC 5869, no salt: the secret is uniformly random)."""
    info = f"vestibule 1 {purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=info).derive(secret)


def signing_key(root: RootKey) -> ec.EllipticCurvePrivateKey:
    """The ES256 key of a root: 384 bits reduced to 1 … n-1, so that the bias is below 2^-128 (FIPS 186-5 A.2.1)."""
    number = int.from_bytes(derive(root.secret, "signing", 48)) % (_P256_ORDER - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def _public_jwk(key: ec.EllipticCurvePrivateKey, key_id: str) -> dict[str, Any]:
    """RFC 7517, RFC 7518 §6.2.1: public members only."""
    point = key.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": _coordinate(point.x),
        "y": _coordinate(point.y),
        "kid": key_id,
        "use": "sig",
        "alg": "ES256",
    }


def _coordinate(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32)).rstrip(b"=").decode()
