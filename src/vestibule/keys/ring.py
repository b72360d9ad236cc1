"""A ring of root secrets and what is derived from them.

From each root secret HKDF-SHA-256 derives one key a use: sealing (AES-256-GCM), tags (HMAC-SHA-256), signing (ES256)
and a check value. The newest active root seals, tags and signs; every root of the ring opens and verifies, so that
adding a key signs nobody out: a new one is published first, used when every replica has it, and the old one retired
when the last thing that it sealed has expired (`keys.rotation`). The ring of a process follows the clock and its file.

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
    """One root secret, and its times: published when it is made, then used, then retired.

    Each in seconds since the epoch. From `created_at` on it opens and verifies; the last one whose `used_from` has come
    seals, tags and signs; after `retired_at` (0: never) it is no key any more. `accepted` ones only ever open.
    """

    secret: bytes = field(repr=False)
    created_at: int  # 0 when the configuration gave it
    state: KeyState = "active"
    used_from: int = 0
    retired_at: int = 0

    def is_used(self, now: float) -> bool:
        return self.state == "active" and self.used_from <= now

    def is_retired(self, now: float) -> bool:
        return 0 < self.retired_at <= now

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

    __slots__ = ("_derived", "_entropy", "_keys", "_newest", "_openers", "_roots")

    def __init__(self, roots: Sequence[RootKey], entropy: Entropy, *, now: float = 0.0) -> None:
        """At least one root is active, and none stands twice. `entropy` makes the nonces: never a repeating one.

        `now`: seconds since the epoch; what is used and what is retired by then.
        """
        self._entropy = entropy
        self._derived: dict[bytes, _Derived] = {}
        self.replace(roots, now)

    def replace(self, roots: Sequence[RootKey], now: float) -> None:
        """Use these roots from here on. Raises `ValueError`, and then nothing has changed."""
        alive = [root for root in roots if not root.is_retired(now)]
        newest_first = sorted(alive, key=lambda root: (root.used_from, root.created_at), reverse=True)
        used = [root for root in newest_first if root.is_used(now)]
        if not used or len({root.kid for root in roots}) != len(roots):
            raise ValueError("a key ring has at least one active key, and every key once")
        self._derived = {root.kid: self._derived.get(root.kid) or _Derived(root) for root in newest_first}
        self._roots = tuple(roots)
        self._newest = self._derived[used[0].kid]
        self._keys = tuple(self._derived.values())
        self._openers = {key.kid: key.aead for key in self._keys}

    def follow(self, now: float) -> None:
        """What the clock says: a published key may be used by now, and an old one retired."""
        self.replace(self._roots, now)

    @property
    def key_ids(self) -> frozenset[bytes]:
        """Of the keys that open and verify."""
        return frozenset(self._derived)

    @property
    def sealed_prefix(self) -> bytes:
        """How every value begins that the key in use has sealed."""
        return b"%c%b" % (_VERSION, self._newest.kid)

    @classmethod
    def from_secret(cls, secret: Secret, entropy: Entropy, *, previous: Sequence[Secret] = ()) -> "KeyRing":
        """A ring from the configuration: one key, and others that only open.

        Raises `ValueError` with the reason it is too weak, and the fix.
        """
        reason = check_root_secret(secret.reveal())
        decoded = decode_root_secret(secret.reveal())
        if reason is not None or decoded is None:
            raise ValueError(f"the root secret cannot be used: {reason}. Make one with: {HOW_TO_MAKE_ONE}")
        older = [decode_root_secret(one.reveal()) for one in previous]
        accepted = [RootKey(one, created_at=0, state="accepted") for one in older if one is not None]
        return cls([RootKey(decoded, created_at=0), *accepted], entropy)

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
