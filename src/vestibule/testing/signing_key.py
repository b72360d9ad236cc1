"""A key that signs JWTs, rightly or wrongly.

On `cryptography` directly: a test must be able to make what no library would.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

_HASHES: Mapping[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def encode(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SigningKey:
    """A private key with a `kid`. `algorithm`: RS256 and its kin, ES256 or EdDSA."""

    def __init__(self, kid: str, algorithm: str = "RS256") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self._key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
        match algorithm:
            case "ES256":
                self._key = ec.generate_private_key(ec.SECP256R1())
            case "EdDSA":
                self._key = ed25519.Ed25519PrivateKey.generate()
            case _:
                self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public_jwk(self) -> dict[str, str]:
        jwk = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if isinstance(self._key, rsa.RSAPrivateKey):
            rsa_numbers = self._key.public_key().public_numbers()
            n, e = rsa_numbers.n.to_bytes(256, "big"), rsa_numbers.e.to_bytes(3, "big")
            return {**jwk, "kty": "RSA", "n": encode(n), "e": encode(e)}
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            numbers = self._key.public_key().public_numbers()
            x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
            return {**jwk, "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)}
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {**jwk, "kty": "OKP", "crv": "Ed25519", "x": encode(raw)}

    def public_pem(self) -> bytes:
        """What an attacker uses as an HMAC secret (key confusion)."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def private_pem(self) -> str:
        """For a client that signs with it."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        """A compact JWS. `header`: members that replace the right ones; None takes one out.

        Another `alg` is obeyed as an attacker would: `none` has no signature, HS256 one with the public key as its
        secret, RS384 a right one of that algorithm.
        """
        members: dict[str, Any] = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **(header or {})}
        head = {name: value for name, value in members.items() if value is not None}
        signed = f"{encode(json.dumps(head).encode())}.{encode(json.dumps(claims).encode())}"
        return f"{signed}.{encode(self._signature(signed.encode(), str(head.get('alg'))))}"

    def _signature(self, signed: bytes, algorithm: str) -> bytes:
        if algorithm.lower() == "none":
            return b""
        if algorithm.startswith("HS"):
            return hmac.new(self.public_pem(), signed, getattr(hashlib, f"sha{algorithm[2:]}")).digest()
        digest = _HASHES.get(algorithm[2:], _HASHES["256"])
        if isinstance(self._key, rsa.RSAPrivateKey):
            if algorithm.startswith("PS"):
                return self._key.sign(signed, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
            return self._key.sign(signed, padding.PKCS1v15(), digest)
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(digest)))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self._key.sign(signed)


@cache
def usual_key() -> SigningKey:
    """One RSA key for all providers of a test run: making one costs a tenth of a second."""
    return SigningKey("k1")
