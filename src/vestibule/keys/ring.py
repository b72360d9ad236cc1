"""A ring of root secrets and what is derived from them.

From each root secret HKDF-SHA-256 derives one key a use: sealing (AES-256-GCM), tags (HMAC-SHA-256), signing (ES256)
and a check value. The newest active root seals, tags and signs; every root of the ring opens and verifies, so that
adding a key signs nobody out: add it as `accepted`, let every replica have it, make it `active`, and drop the old one
when the last thing that it sealed has expired.

    sealed value   1 byte    version
                   4 bytes   key id
                   12 bytes  nonce
                   the rest  ciphertext and 16 bytes of tag; AAD: length of the purpose, purpose, context

Purpose and context are authenticated with it, so a value sealed for one purpose opens for no other. Random nonces carry
2^32 values under one key (NIST SP 800-38D §8.3): at a hundred tokens a second, rotate once a year.
"""

import base64
import functools
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vestibule.model import Secret
from vestibule.ports import Entropy
from vestibule.protocol.secrets_strength import HOW_TO_MAKE_ONE, check_root_secret, decode_root_secret

ROOT_BYTES = 32
_VERSION = 1
_KID_BYTES = 4  # tells the few keys of one ring apart; no secret, and no proof
_NONCE_BYTES = 12
_NONCE_AT = 1 + _KID_BYTES
_BODY_AT = _NONCE_AT + _NONCE_BYTES
_TAG_BYTES = 16
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

KeyState = Literal["active", "accepted"]


@dataclass(frozen=True, slots=True)
class RootKey:
    """One root secret. `active` ones are used for new values, the newest first; `accepted` ones only open old ones."""

    secret: bytes = field(repr=False)
    created_at: int  # seconds since the epoch; 0 when the configuration gave it
    state: KeyState = "active"

    @property
    def kid(self) -> bytes:
        """Derived, so that replicas with the same secret agree on it and a damaged file is noticed."""
        return hashlib.sha256(b"vestibule key id\n" + self.secret).digest()[:_KID_BYTES]


class _Derived:
    """What one root secret is used through. Made once: deriving costs about 100 µs."""

    __slots__ = ("aead", "check", "kid", "public_jwk", "signing", "tagging")

    def __init__(self, root: RootKey) -> None:
        self.kid = root.kid
        self.aead = AESGCM(_derive(root.secret, b"seal"))
        self.tagging = _derive(root.secret, b"tag")
        self.check = hmac.digest(_derive(root.secret, b"check"), b"vestibule", "sha256")[:16]
        self.signing = _signing_key(root)
        self.public_jwk = _public_jwk(self.signing, root.kid.hex())


class KeyRing:
    """Implements `ports.Sealer`, `ports.Authenticator` and `ports.SigningKeys`."""

    __slots__ = ("_entropy", "_keys", "_newest", "_openers")

    def __init__(self, roots: Sequence[RootKey], entropy: Entropy) -> None:
        """At least one root is active, and none stands twice. `entropy` makes the nonces: never a repeating one."""
        newest_first = sorted(roots, key=lambda root: root.created_at, reverse=True)
        derived = {root.kid: _Derived(root) for root in newest_first}
        active = [derived[root.kid] for root in newest_first if root.state == "active"]
        if not active or len(derived) != len(roots):
            raise ValueError("a key ring has at least one active key, and every key once")
        self._entropy = entropy
        self._newest = active[0]
        self._keys = tuple(derived.values())
        self._openers = {key.kid: key.aead for key in self._keys}

    @classmethod
    def from_secret(cls, secret: Secret, entropy: Entropy) -> "KeyRing":
        """A ring of one key, from the configuration. Raises `ValueError` with the reason it is too weak and the fix."""
        reason = check_root_secret(secret.reveal())
        decoded = decode_root_secret(secret.reveal())
        if reason is not None or decoded is None:
            raise ValueError(f"the root secret cannot be used: {reason}. Make one with: {HOW_TO_MAKE_ONE}")
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
        body = self._newest.aead.encrypt(nonce, plaintext, _label(purpose) + context)
        return b"%c%b%b%b" % (_VERSION, self._newest.kid, nonce, body)

    def open(self, purpose: str, sealed: bytes, context: bytes = b"") -> bytes | None:
        if len(sealed) < _BODY_AT + _TAG_BYTES or sealed[0] != _VERSION:
            return None
        aead = self._openers.get(sealed[1:_NONCE_AT])
        if aead is None:
            return None
        try:
            return aead.decrypt(sealed[_NONCE_AT:_BODY_AT], sealed[_BODY_AT:], _label(purpose) + context)
        except InvalidTag:
            return None

    # --- tag --------------------------------------------------------------------------------------------------------

    def tag(self, purpose: str, message: bytes) -> str:
        return _tag(self._newest, purpose, message).decode()

    def verify(self, purpose: str, message: bytes, tag: str) -> bool:
        # The text is compared, not what it decodes to: 128 bits have four spellings in base64, and one is ours.
        presented = tag.encode("utf-8", "surrogatepass")
        matches = [hmac.compare_digest(_tag(key, purpose, message), presented) for key in self._keys]
        return any(matches)

    # --- sign -------------------------------------------------------------------------------------------------------

    def sign_jwt(self, typ: str, claims: Mapping[str, Any]) -> str:
        """A compact JWS with ES256 under the newest key (RFC 7515 §3.1, RFC 7518 §3.4)."""
        header = {"alg": "ES256", "typ": typ, "kid": self._newest.kid.hex()}
        signed = f"{_part(header)}.{_part(claims)}"
        signature = self._newest.signing.sign(signed.encode(), ec.ECDSA(SHA256()))
        r, s = decode_dss_signature(signature)
        return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def public_jwks(self) -> Mapping[str, Any]:
        return {"keys": [dict(key.public_jwk) for key in self._keys]}

    def check_values(self) -> Mapping[str, bytes]:
        """Key id → a value that only this key gives. A store remembers them, to find a wrong ring at start."""
        return {key.kid.hex(): key.check for key in self._keys}


def _derive(secret: bytes, use: bytes, length: int = 32) -> bytes:
    """RFC 5869; without a salt, because the secret is uniformly random."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=b"vestibule/1/" + use).derive(secret)


@functools.lru_cache(maxsize=256)
def _label(purpose: str) -> bytes:
    """The purpose with its length before it, so that purpose and context cannot flow into each other."""
    name = purpose.encode()
    return len(name).to_bytes(2, "big") + name


def _tag(key: _Derived, purpose: str, message: bytes) -> bytes:
    mac = hmac.digest(key.tagging, _label(purpose) + message, "sha256")
    return base64.urlsafe_b64encode(mac[:_TAG_BYTES])[:22]


def _signing_key(root: RootKey) -> ec.EllipticCurvePrivateKey:
    """384 bits reduced to 1 … n-1: no number is likelier than another by more than 2^-128 (FIPS 186-5 A.2.1)."""
    number = int.from_bytes(_derive(root.secret, b"sign-es256", 48), "big")
    return ec.derive_private_key(number % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def _public_jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, str]:
    """RFC 7518 §6.2.1: public members only."""
    point = key.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": _coordinate(point.x),
        "y": _coordinate(point.y),
        "kid": kid,
        "use": "sig",
        "alg": "ES256",
    }


def _coordinate(number: int) -> str:
    return _encode(number.to_bytes(32, "big"))


def _part(value: Mapping[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
