"""Bearer tokens in requests, and challenges in answers (RFC 6750, RFC 9728 §5.1)."""

import re
from collections.abc import Iterable
from functools import lru_cache

from vestibule.errors import InsufficientScope, InvalidProof, InvalidToken, Refusal, SeveralCredentials
from vestibule.protocol.discovery import SIGNING_ALGORITHMS

_NOT_QUOTABLE = re.compile(r"[^ !#-\[\]-~]")
_B64TOKEN = re.compile(rb"[A-Za-z0-9\-._~+/]+=*\Z")


def parse_authorization(header: bytes) -> tuple[str, str]:
    """Scheme (bearer or dpop) and token of an Authorization header (RFC 6750 §2.1, RFC 9449 §7.1).

    Raises `InvalidToken`; never repeats what it was given.
    """
    scheme, _, token = header.partition(b" ")
    token = token.strip(b" ")
    if scheme.lower() not in (b"bearer", b"dpop") or not _B64TOKEN.match(token):
        raise InvalidToken(
            "The Authorization header does not carry a bearer token.",
            action='Send "Authorization: Bearer" and the access token.',
        )
    return scheme.lower().decode("ascii"), token.decode("ascii")


@lru_cache(maxsize=512)
def challenge_header(
    *, realm: str, resource_metadata: str, error: str = "", description: str = "", scopes: tuple[str, ...] = ()
) -> str:
    """The value of WWW-Authenticate. Without credentials there is no `error` (RFC 6750 §3.1); where nobody can get a
    token, there is no `resource_metadata` that would send a client for one."""
    parameters = {"realm": realm}
    if resource_metadata:
        parameters["resource_metadata"] = resource_metadata
    if error:
        parameters |= {"error": error, "error_description": description}
    if scope := " ".join(scopes):
        parameters["scope"] = scope
    return "Bearer " + ", ".join(f'{name}="{_quoted(value)}"' for name, value in parameters.items())


def challenge_for(refusal: Refusal, *, realm: str, resource_metadata: str, scopes: Iterable[str]) -> str | None:
    """The challenge that belongs to a refusal, or None. `scopes`: what the resource asks of every call."""
    if isinstance(refusal, InvalidProof):
        return dpop_challenge(refusal, realm=realm, resource_metadata=resource_metadata)
    if refusal.status not in (401, 403) and not isinstance(refusal, SeveralCredentials):
        return None
    if refusal.status == 403 and not (isinstance(refusal, InsufficientScope) and refusal.by_sign_in):
        return None
    return challenge_header(
        realm=realm,
        resource_metadata=resource_metadata,
        error=refusal.bearer_error,
        description=refusal.message,
        scopes=tuple(refusal.scopes if isinstance(refusal, InsufficientScope) else scopes),
    )


def dpop_challenge(refusal: InvalidProof, *, realm: str, resource_metadata: str) -> str:
    """RFC 9449 §7.1: the scheme that the token goes with, and the algorithms a proof may have."""
    parameters = {
        "realm": realm,
        "resource_metadata": resource_metadata,
        "error": refusal.bearer_error,
        "error_description": refusal.message,
        "algs": " ".join(SIGNING_ALGORITHMS),
    }
    return "DPoP " + ", ".join(f'{name}="{_quoted(value)}"' for name, value in parameters.items() if value)


def _quoted(value: str) -> str:
    """Inside a quoted-string: printable ASCII; what could end it, or the line, becomes an apostrophe."""
    return _NOT_QUOTABLE.sub("'", value)
