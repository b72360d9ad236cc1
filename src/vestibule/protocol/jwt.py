"""Signed JWTs: compact JWS with an asymmetric algorithm of an explicit list, and nothing else.

The only module that touches joserfc. JSON serialisation, `none` and HMAC are not reachable from here: `verify` picks
the key by what the *key* is, never by what the token says about it (key confusion: CVE-2022-29217 and its kin). A key
inside the token is used by `verify_with_own_key` alone, whose caller learns nothing but which key that was.
"""

import binascii
import json
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.jwk import is_private

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
    "Ed25519": "OKP",  # RFC 9864: the same, fully specified
}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}

MAX_TOKEN = 64 * 1024
MAX_KEYS = 100
MAX_TRIES = 8  # keys that one signature is tried with, where the token names none or several have one name
MIN_RSA_BITS = 2048


class JwtError(ValueError):
    """The token is not acceptable. The text is for our log."""


class UnknownKey(JwtError):
    """No key of the set has the token's `kid`: the issuer may have rotated, and one fresh look is worth it."""


class Verified(NamedTuple):
    """What a signature vouches for."""

    header: dict[str, Any]
    claims: dict[str, Any]
    key_issuer: str = ""  # the `issuer` member of the key that signed (Entra: keys of many tenants stand in one set)


@dataclass(frozen=True, slots=True)
class _Key:
    """One public key, imported once."""

    key: RSAKey | ECKey | OKPKey
    kid: object
    algorithms: frozenset[str]  # which it can verify
    issuer: str


class KeySet:
    """The keys of one issuer, imported: a verification reads no JWK again."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[_Key]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def read(cls, jwks: Mapping[str, Any]) -> "KeySet":
        """What of a JWK Set (RFC 7517 §5) can verify signatures; private, symmetric and odd entries are passed over.

        Raises `JwtError` when it is no set, has more than `MAX_KEYS` entries, or nothing of it can be used.
        """
        keys = _read_keys(jwks)
        if not keys:
            raise JwtError("no key of the set can verify a signature")
        return cls(keys)

    @property
    def key_ids(self) -> frozenset[str]:
        return frozenset(str(one.kid) for one in self._keys)

    def verify(self, token: str, *, algorithms: Collection[str]) -> Verified:
        """As `verify` below."""
        header = _header(token)
        algorithm = _check_algorithm(header, algorithms)
        kid = header.get("kid")
        fitting = [one for one in self._keys if algorithm in one.algorithms]
        named = fitting if kid is None else [one for one in fitting if one.kid == kid]
        for one in named[:MAX_TRIES]:
            claims = _claims(token, one.key, algorithm)
            if claims is not None:
                return Verified(header, claims, one.issuer)
        if not named:
            # As much work as for a key that is known: the time of a refusal tells nobody which keys there are.
            for one in fitting[:1]:
                _claims(token, one.key, algorithm)
            raise UnknownKey(f"no key with kid {str(kid)[:80]!r}")
        if kid is None:
            raise UnknownKey("the token names no key, and none of the issuer's made this signature")
        raise JwtError("no key of the issuer made this signature")


def verify(
    token: str, jwks: Mapping[str, Any], *, algorithms: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a JWT whose signature one of these keys made. Claims are not judged here.

    `algorithms`: those the issuer itself lists; anything that is not asymmetric is taken out of it. Raises `JwtError`.
    """
    header, claims, _ = KeySet(_read_keys(jwks)).verify(token, algorithms=algorithms)
    return header, claims


def _check_algorithm(header: Mapping[str, Any], algorithms: Collection[str]) -> str:
    """The token's algorithm, if the issuer's list has it and we can verify it."""
    algorithm = header.get("alg")
    allowed = [name for name in algorithms if name in ASYMMETRIC_ALGORITHMS]
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise JwtError(f"algorithm {str(algorithm)[:40]!r} is not one of {allowed}")
    _check_not_critical(header)
    return algorithm


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


def verify_with_own_key(
    token: str, *, typ: str, algorithms: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Header, claims and the RFC 7638 thumbprint of the key that stands in the token itself and signed it.

    This proves possession of that key and nothing else (RFC 9449 §4.3). Raises `JwtError`.
    """
    header = _header(token)
    algorithm, jwk = header.get("alg"), header.get("jwk")
    if header.get("typ") != typ:
        raise JwtError(f"typ is not {typ}")
    if not isinstance(algorithm, str) or algorithm not in ASYMMETRIC_ALGORITHMS or algorithm not in algorithms:
        raise JwtError(f"algorithm {str(algorithm)[:40]!r} is not accepted")
    if not isinstance(jwk, dict) or is_private(jwk):
        raise JwtError("the header has no jwk, or a private one")
    _check_not_critical(header)
    key = _read_key(jwk)
    if key is None or algorithm not in key.algorithms:
        raise JwtError("the key in the header is not of the algorithm")
    claims = _claims(token, key.key, algorithm)
    if claims is None:
        raise JwtError("the key in the header did not make this signature")
    return header, claims, str(key.key.thumbprint())


def unverified_claims(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they stand there: to look up whose keys must verify them, and for nothing else."""
    header = _header(token)
    try:
        return header, read_object(_decode(token.split(".")[1]))
    except (binascii.Error, UnreadableJson, ValueError) as error:
        raise JwtError(f"the claims cannot be read: {error}") from error


def check_key_set(jwks: Mapping[str, Any]) -> None:
    """Raise `JwtError` unless this is a set of public keys, at least one of which can verify a signature of ours."""
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS or not all(isinstance(key, dict) for key in keys):
        raise JwtError("not a set of keys (RFC 7517 §5)")
    if any(is_private(key) for key in keys):
        raise JwtError("it has a private or symmetric key")
    types = set(ASYMMETRIC_ALGORITHMS.values())
    known = [key for key in keys if isinstance(key.get("kty"), str) and key["kty"] in types]
    if not any(_import(key) is not None for key in known):
        raise JwtError("no key of it can be used: RSA from 2048 bits, P-256, P-384, P-521, Ed25519")


def _check_not_critical(header: Mapping[str, Any]) -> None:
    if "crit" in header or "b64" in header:  # RFC 7515 §4.1.11: what we do not understand, we refuse
        raise JwtError("the header has critical extensions")


def _claims(token: str, key: RSAKey | ECKey | OKPKey, algorithm: str) -> dict[str, Any] | None:
    signed, _, signature = token.rpartition(".")
    model = _model(algorithm)
    try:
        model.check_key(key)
        if not model.verify(signed.encode("ascii"), _decode(signature), key):
            return None
    except (JoseError, ValueError):
        return None
    try:
        return read_object(_decode(signed.partition(".")[2]))
    except (ValueError, UnreadableJson) as error:
        raise JwtError(f"the claims cannot be read: {error}") from error


@cache
def _model(algorithm: str) -> JWSAlgModel:
    """How the library verifies one algorithm; it has read neither header nor payload, which is our work."""
    with warnings.catch_warnings(action="ignore"):  # of EdDSA, which RFC 9864 has renamed
        return jws.JWSRegistry(algorithms=[algorithm]).get_alg(algorithm)


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN or token.count(".") != 2 or not token.isascii():
        raise JwtError("not a compact JWS")
    try:
        return read_object(_decode(token.partition(".")[0]))
    except (binascii.Error, ValueError) as error:
        raise JwtError(f"the header cannot be read: {error}") from error


def _decode(part: str) -> bytes:
    """RFC 7515 §2: base64url without padding, and nothing that is not of its alphabet. Raises `ValueError`."""
    if "+" in part or "/" in part or "=" in part:
        raise ValueError("not base64url")
    text = part.replace("-", "+").replace("_", "/") + "=" * (-len(part) % 4)
    return binascii.a2b_base64(text, strict_mode=True)


def _read_keys(jwks: Mapping[str, Any]) -> list[_Key]:
    entries = jwks.get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise JwtError(f"not a set of at most {MAX_KEYS} keys (RFC 7517 §5)")
    return [key for key in map(_read_key, entries) if key is not None]


def _fits(entry: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a key is of the algorithm's type and curve, and its owner lets it verify signatures of that algorithm."""
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("kty") == ASYMMETRIC_ALGORITHMS[algorithm]
        and entry.get("crv", _CURVES.get(algorithm)) == _CURVES.get(algorithm, entry.get("crv"))
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", algorithm) == algorithm
        and isinstance(operations, list)
        and "verify" in operations
    )


def _read_key(entry: object) -> _Key | None:
    if not isinstance(entry, dict) or is_private(entry):
        return None
    algorithms = frozenset(name for name in ASYMMETRIC_ALGORITHMS if _fits(entry, name))
    key = _import(entry) if algorithms else None
    if key is None:
        return None
    issuer = entry.get("issuer")
    return _Key(key, entry.get("kid"), algorithms, issuer if isinstance(issuer, str) else "")


def _import(entry: dict[str, Any]) -> RSAKey | ECKey | OKPKey | None:
    try:
        key = JWKRegistry.import_key(entry)
    except (JoseError, ValueError, KeyError, TypeError):  # a stranger's key may be of any shape
        return None
    if isinstance(key, RSAKey):
        return key if key.public_key.key_size >= MIN_RSA_BITS else None
    return key if isinstance(key, ECKey | OKPKey) else None
