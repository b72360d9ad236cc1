"""A ring of root secrets and what is derived from them.

From each root secret HKDF-SHA-256 derives one key a use: sealing (AES-256-GCM), tags (HMAC-SHA-256), signing (ES256)
and a check value. The newest active root seals, tags and signs; every root of the ring opens and verifies, so that
adding a key signs nobody out.

A sealed value is: 1 byte of version, 4 bytes of key id, 12 bytes of nonce, the ciphertext with its 16-byte tag. Its
purpose and context are authenticated with it (AAD), so a value sealed for one purpose opens for no other.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vestibule.model import Secret
from vestibule.ports import Entropy
from vestibule.protocol.secrets_strength import check_root_secret, decode_root_secret

ROOT_BYTES = 32
_VERSION = b"\x01"
_KID_BYTES = 4
_NONCE_BYTES = 12
_HEAD = 1 + _KID_BYTES + _NONCE_BYTES
_TAG_BYTES = 16
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

KeyState = Literal["active", "accepted"]


@dataclass(frozen=True, slots=True)
class RootKey:
    """One root secret. `active` ones are used for new values, the newest first; `accepted` ones only open old ones."""

    secret: bytes = field(repr=False)
    created_at: int  # seconds since the epoch
    state: KeyState = "active"

    @property
    def kid(self) -> bytes:
        return hashlib.sha256(b"vestibule key id\n" + self.secret).digest()[:_KID_BYTES]


class _Derived:
    __slots__ = ("aead", "check", "kid", "signing", "tagging")

    def __init__(self, root: RootKey) -> None:
        self.kid = root.kid
        self.aead = AESGCM(_derive(root.secret, b"seal"))
        self.tagging = _derive(root.secret, b"tag")
        self.check = hmac.digest(_derive(root.secret, b"check"), b"vestibule", "sha256")[:16]
        number = int.from_bytes(_derive(root.secret, b"sign-es256", 48), "big")
        self.signing = ec.derive_private_key(number % (_P256_ORDER - 1) + 1, ec.SECP256R1())


class KeyRing:
    """Implements `ports.Sealer`, `ports.Authenticator` and `ports.SigningKeys`."""

    def __init__(self, roots: Sequence[RootKey], entropy: Entropy) -> None:
        active = [root for root in roots if root.state == "active"]
        if not active:
            raise ValueError("a key ring has at least one active key")
        self._entropy = entropy
        newest_first = sorted(active, key=lambda root: root.created_at, reverse=True)
        ordered = newest_first + [root for root in roots if root.state != "active"]
        self._keys = {root.kid: _Derived(root) for root in ordered}
        self._newest = self._keys[newest_first[0].kid]

    @classmethod
    def from_secret(cls, secret: Secret, entropy: Entropy) -> "KeyRing":
        """A ring of one key, from the configuration. Raises `ValueError` with the reason it is too weak."""
        reason = check_root_secret(secret.reveal())
        decoded = decode_root_secret(secret.reveal())
        if reason is not None or decoded is None:
            raise ValueError(reason)
        return cls([RootKey(decoded, created_at=0)], entropy)

    @classmethod
    def temporary(cls, entropy: Entropy) -> "KeyRing":
        """A ring that nobody keeps: for `demo` and tests."""
        return cls([RootKey(entropy(ROOT_BYTES), created_at=0)], entropy)

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys)"

    # --- seal -------------------------------------------------------------------------------------------------------

    def seal(self, purpose: str, plaintext: bytes, context: bytes = b"") -> bytes:
        nonce = self._entropy(_NONCE_BYTES)
        sealed = self._newest.aead.encrypt(nonce, plaintext, _aad(purpose, context))
        return b"".join((_VERSION, self._newest.kid, nonce, sealed))

    def open(self, purpose: str, sealed: bytes, context: bytes = b"") -> bytes | None:
        if len(sealed) < _HEAD + _TAG_BYTES or sealed[:1] != _VERSION:
            return None
        key = self._keys.get(sealed[1 : 1 + _KID_BYTES])
        if key is None:
            return None
        try:
            return key.aead.decrypt(sealed[1 + _KID_BYTES : _HEAD], sealed[_HEAD:], _aad(purpose, context))
        except InvalidTag:
            return None

    # --- tag --------------------------------------------------------------------------------------------------------

    def tag(self, purpose: str, message: bytes) -> str:
        return _tag(self._newest, purpose, message)

    def verify(self, purpose: str, message: bytes, tag: str) -> bool:
        presented = tag.encode("utf-8", "replace")
        return any(hmac.compare_digest(_tag(key, purpose, message).encode(), presented) for key in self._keys.values())

    # --- sign -------------------------------------------------------------------------------------------------------

    def public_jwks(self) -> Mapping[str, Any]:
        return {"keys": [_public_jwk(key) for key in self._keys.values()]}

    def check_values(self) -> Mapping[str, bytes]:
        """Key id → a value that only this key gives. A store remembers them, to find a wrong ring at start."""
        return {key.kid.hex(): key.check for key in self._keys.values()}


def _derive(secret: bytes, use: bytes, length: int = 32) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=b"vestibule/1/" + use).derive(secret)


def _aad(purpose: str, context: bytes) -> bytes:
    name = purpose.encode()
    return len(name).to_bytes(2, "big") + name + context


def _tag(key: _Derived, purpose: str, message: bytes) -> str:
    mac = hmac.digest(key.tagging, _aad(purpose, message), "sha256")[:16]
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def _public_jwk(key: _Derived) -> dict[str, str]:
    numbers = key.signing.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": _coordinate(numbers.x),
        "y": _coordinate(numbers.y),
        "kid": key.kid.hex(),
        "use": "sig",
        "alg": "ES256",
    }


def _coordinate(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
