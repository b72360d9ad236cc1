"""What clients with keys send: assertions and DPoP proofs, right by default, wrong where a test says so."""

import base64
import hashlib
import secrets
from typing import Any

from tests.support.house import Door
from vestibule.testing.signing_key import SigningKey

CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def without_nothing(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}


def assertion(
    door: Door, key: SigningKey, client_id: str, *, header: dict[str, Any] | None = None, **claims: Any
) -> str:
    """A client's own assertion (RFC 7523 §2.2); a claim of None is left out."""
    now = int(door.clock().timestamp())
    right = {
        "iss": client_id,
        "sub": client_id,
        "aud": door.url,
        "jti": secrets.token_hex(8),
        "iat": now,
        "exp": now + 60,
    }
    return key.sign(without_nothing({**right, **claims}), header)


def with_assertion(text: str) -> dict[str, str]:
    return {"client_assertion_type": CLIENT_ASSERTION, "client_assertion": text}


def proof(
    door: Door, key: SigningKey, url: str, *, method: str = "POST", header: dict[str, Any] | None = None, **claims: Any
) -> str:
    """A DPoP proof (RFC 9449 §4.2), with a nonce of the server; a claim of None is left out."""
    right = {
        "jti": secrets.token_hex(8),
        "htm": method,
        "htu": url,
        "iat": int(door.clock().timestamp()),
        "nonce": door.house.plane.server.proofs.nonce(),
    }
    jwk = {name: value for name, value in key.public_jwk().items() if name not in ("kid", "use", "alg")}
    head = {"typ": "dpop+jwt", "jwk": jwk, "kid": None, **(header or {})}
    return key.sign(without_nothing({**right, **claims}), head)


def token_hash(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
