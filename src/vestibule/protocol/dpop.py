"""DPoP: tokens that are good only with a proof of the key that they were given to (RFC 9449).

A proof is for one method, one address and one moment. `check_proof` says what it must say; that its `jti` was never
seen before, and whether its nonce is one of ours, is for the caller, who has a memory and keys.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from vestibule.errors import InvalidDpopProof
from vestibule.model import Proof
from vestibule.protocol.jwt import ASYMMETRIC_ALGORITHMS, JwtError, verify_with_own_key
from vestibule.protocol.times import LEEWAY, number

ALGORITHMS = tuple(ASYMMETRIC_ALGORITHMS)
MAX_PROOF = 8192
MAX_JTI = 255
LIFETIME = 60  # seconds a proof may be old
NONCE_LIFETIME = 300  # seconds; the one before is accepted too

_DEFAULT_PORTS = {"https": 443, "http": 80}


def check_proof(proofs: Sequence[str], *, method: str, url: str, now: float, access_token: str | None = None) -> Proof:
    """RFC 9449 §4.3, in its order. `proofs`: the values of all DPoP headers. Raises `InvalidDpopProof`."""
    if len(proofs) != 1 or "," in proofs[0]:
        raise InvalidDpopProof("The request has not exactly one DPoP header.")
    if len(proofs[0]) > MAX_PROOF:
        raise InvalidDpopProof("The DPoP proof is too long.")
    try:
        _, claims, thumbprint = verify_with_own_key(proofs[0], typ="dpop+jwt", algorithms=ALGORITHMS)
    except JwtError as error:
        raise InvalidDpopProof("The DPoP proof cannot be accepted.", detail=str(error)) from error
    jti, issued_at, nonce = claims.get("jti"), number(claims, "iat"), claims.get("nonce", "")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI or not jti.isprintable():
        raise InvalidDpopProof("The DPoP proof has no jti.")
    if claims.get("htm") != method:
        raise InvalidDpopProof("The DPoP proof is for another method.")
    if not isinstance(claims.get("htu"), str) or _address(claims["htu"]) != _address(url):
        raise InvalidDpopProof("The DPoP proof is for another address.", detail=f"htu {str(claims.get('htu'))[:200]!r}")
    if issued_at is None or not now - LIFETIME - LEEWAY <= issued_at <= now + LEEWAY:
        raise InvalidDpopProof("The DPoP proof is not of this moment.", detail=f"iat {issued_at!r}, now {now:.0f}")
    if not isinstance(nonce, str) or len(nonce) > MAX_JTI:
        raise InvalidDpopProof("The nonce of the DPoP proof is not a string.")
    if access_token is not None and not _is_hash_of(claims.get("ath"), access_token):
        raise InvalidDpopProof("The DPoP proof is not for this access token.", action="Send its hash as ath.")
    return Proof(thumbprint, jti, int(issued_at), nonce)


def remembered_until(proof: Proof) -> int:
    """Until when a replay of it would pass the check of its time. Seconds since the epoch."""
    return proof.issued_at + LIFETIME + 2 * LEEWAY


def _is_hash_of(ath: object, access_token: str) -> bool:
    expected = base64.urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()).rstrip(b"=")
    return isinstance(ath, str) and hmac.compare_digest(ath.encode("utf-8", "surrogatepass"), expected)


def _address(url: str) -> tuple[str, str, int | None, str] | None:
    """RFC 9449 §4.3, 9: without query and fragment, normalised as RFC 3986 §6.2.2 and §6.2.3 say."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS.get(parts.scheme), parts.path or "/"
