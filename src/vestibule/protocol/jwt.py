"""Signed JWTs: compact JWS with an asymmetric algorithm of an explicit list, and nothing else.

The only module that touches joserfc. JSON serialisation, `none`, HMAC and keys inside the token are not reachable from
here: `verify` picks the key by what the *key* is, never by what the token says about it (key confusion: CVE-2022-29217
and its kin).
"""

import binascii
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from vestibule.protocol.json_body import UnreadableJson, read_object

ASYMMETRIC_ALGORITHMS: Mapping[str, str] = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "EC",
    "ES384": "EC",
    "ES512": "EC",
    "EdDSA": "OKP",
}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}

MAX_TOKEN = 64 * 1024
MAX_KEYS = 100
MIN_RSA_BITS = 2048


class JwtError(ValueError):
    """The token is not acceptable. The text is for our log."""


class UnknownKey(JwtError):
    """No key of the set has the token's `kid`: the issuer may have rotated, and one fresh look is worth it."""


def verify(
    token: str, jwks: Mapping[str, Any], *, algorithms: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a JWT whose signature one of these keys made. Claims are not judged here.

    `algorithms`: those the issuer itself lists; anything that is not asymmetric is taken out of it. Raises `JwtError`.
    """
    header = _header(token)
    algorithm = header.get("alg")
    allowed = [name for name in algorithms if name in ASYMMETRIC_ALGORITHMS]
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise JwtError(f"algorithm {str(algorithm)[:40]!r} is not one of {allowed}")
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    for key in _candidates(jwks, algorithm, header.get("kid")):
        try:
            signed = jws.deserialize_compact(token, key, algorithms=[algorithm], registry=registry)
        except (JoseError, ValueError):
            continue
        try:
            return header, read_object(signed.payload)
        except UnreadableJson as error:
            raise JwtError(f"the claims cannot be read: {error}") from error
    raise JwtError("no key of the issuer made this signature")


class UnusableKey(ValueError):
    """The private key cannot sign. The text never has a part of the key."""


class PrivateKey:
    """A private key of ours that signs what proves who we are (RFC 7523)."""

    def __init__(self, pem: str) -> None:
        """`pem`: an RSA key of at least 2048 bits or a P-256 one, unencrypted. Raises `UnusableKey`."""
        try:
            key = JWKRegistry.import_key(pem, "RSA") if _is_rsa(pem) else JWKRegistry.import_key(pem, "EC")
        except (JoseError, ValueError, TypeError) as error:
            raise UnusableKey("it is not a private key in PEM without a passphrase") from error
        if not isinstance(key, RSAKey | ECKey) or not key.is_private:
            raise UnusableKey("it is a public key")
        if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
            raise UnusableKey(f"an RSA key has {MIN_RSA_BITS} bits at least")
        if isinstance(key, ECKey) and key.curve_name != _CURVES["ES256"]:
            raise UnusableKey("an EC key is on P-256")
        self._key = key
        self._public_der = _public_der(key)
        self.algorithms = ("PS256", "RS256") if isinstance(key, RSAKey) else ("ES256",)

    def public_der(self) -> bytes:
        """Its SubjectPublicKeyInfo: what a certificate of this key has in it."""
        return self._public_der

    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any]) -> str:
        """A compact JWS. `header` has `alg`, one of `algorithms`."""
        algorithm = str(header["alg"])
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return jws.serialize_compact(dict(header), payload, self._key, algorithms=[algorithm], registry=registry)


def _public_der(key: RSAKey | ECKey) -> bytes:
    return key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _is_rsa(pem: str) -> bool:
    return isinstance(load_pem_private_key(pem.encode(), password=None), rsa.RSAPrivateKey)


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN or token.count(".") != 2 or not token.isascii():
        raise JwtError("not a compact JWS")
    try:
        return read_object(binascii.a2b_base64(_padded(token.partition(".")[0])))
    except (binascii.Error, ValueError) as error:
        raise JwtError(f"the header cannot be read: {error}") from error


def _padded(part: str) -> bytes:
    return (part.replace("-", "+").replace("_", "/") + "=" * (-len(part) % 4)).encode()


def _candidates(jwks: Mapping[str, Any], algorithm: str, kid: object) -> Sequence[RSAKey | ECKey | OKPKey]:
    """The public keys that may have signed: right type and curve, for signatures, of this `kid` if it is named."""
    entries = jwks.get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise JwtError("the issuer's key set cannot be read")
    fitting = [
        entry
        for entry in entries
        if isinstance(entry, dict)
        and entry.get("kty") == ASYMMETRIC_ALGORITHMS[algorithm]
        and entry.get("crv", _CURVES.get(algorithm)) == _CURVES.get(algorithm, entry.get("crv"))
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", algorithm) == algorithm
    ]
    if kid is not None:
        named = [entry for entry in fitting if entry.get("kid") == kid]
        if not named:
            raise UnknownKey(f"no key with kid {str(kid)[:80]!r}")
        fitting = named
    keys = [key for key in map(_import, fitting) if key is not None]
    if not keys:
        raise UnknownKey("no key of the issuer fits")
    return keys


def _import(entry: dict[str, Any]) -> RSAKey | ECKey | OKPKey | None:
    try:
        key = JWKRegistry.import_key(entry)
    except (JoseError, ValueError):
        return None
    if isinstance(key, RSAKey):
        return key if key.public_key.key_size >= MIN_RSA_BITS else None
    return key if isinstance(key, ECKey | OKPKey) else None
