"""How a client shows at a token endpoint who it is: by nothing, a secret, or a signed assertion."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias
from urllib.parse import quote_plus

from vestibule.model import Secret

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME = timedelta(minutes=5)

FormAndHeaders: TypeAlias = tuple[dict[str, str], dict[str, str]]


def as_public(form: Mapping[str, str], *, client_id: str) -> FormAndHeaders:
    """RFC 6749 §3.2.1: only the name."""
    return {**form, "client_id": client_id}, {}


def with_secret(
    form: Mapping[str, str], *, client_id: str, client_secret: Secret, auth_methods: Sequence[str]
) -> FormAndHeaders:
    """client_secret_basic or client_secret_post, as the server's metadata says; never both (RFC 6749 §2.3)."""
    if "client_secret_basic" in auth_methods or "client_secret_post" not in auth_methods:
        # RFC 6749 §2.3.1: both parts are form-encoded before base64.
        pair = f"{quote_plus(client_id)}:{quote_plus(client_secret.reveal())}"
        return dict(form), {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {**form, "client_id": client_id, "client_secret": client_secret.reveal()}, {}


def with_assertion(form: Mapping[str, str], *, client_id: str, assertion: str) -> FormAndHeaders:
    """RFC 7523 §2.2: a JWT that somebody whom the server trusts has signed: we ourselves, or a platform for us."""
    return {**form, "client_id": client_id, "client_assertion_type": JWT_BEARER, "client_assertion": assertion}, {}


def assertion_claims(*, client_id: str, audience: str, now: int, assertion_id: str) -> dict[str, Any]:
    """RFC 7523 §3, OpenID Connect Core §9. `now`: seconds since the epoch. `assertion_id`: never the same twice."""
    return {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": assertion_id,
        "iat": now,
        "nbf": now,
        "exp": now + int(ASSERTION_LIFETIME.total_seconds()),
    }


def thumbprint(certificate: bytes) -> str:
    """`x5t#S256` (RFC 7515 §4.1.8) of a certificate in DER."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()
