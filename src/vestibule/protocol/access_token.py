"""Access tokens, in two forms: sealed (`vat_` and the sealed claims, opaque to clients) or signed (RFC 9068).

Sealing and signing are the key ring's work; this module says what is inside and what it must say to be accepted.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from vestibule.errors import InvalidAudience, InvalidIssuer, InvalidToken, TokenExpired
from vestibule.model import AccessToken
from vestibule.protocol.resource import is_same_resource

PREFIX = "vat_"
PURPOSE = "access-token"
MAX_LENGTH = 8192  # characters


class _Claims(msgspec.Struct, array_like=True, frozen=True):
    """In this order. What comes later has a default, so that tokens of the version before can be read."""

    token_id: str
    grant_id: str
    issuer: str
    identity_issuer: str
    subject: str
    user: str
    tenant: str
    client_id: str
    scopes: tuple[str, ...]
    resource: str
    issued_at: int
    expires_at: int
    key_thumbprint: str = ""
    actors: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


_NAMES = _Claims.__struct_fields__
_decoder = msgspec.json.Decoder(_Claims)


def encode_claims(token: AccessToken) -> bytes:
    return msgspec.json.encode(_Claims(*(getattr(token, name) for name in _NAMES)))


def decode_claims(claims: bytes) -> AccessToken:
    """Raises `InvalidToken`."""
    try:
        decoded = _decoder.decode(claims)
    except msgspec.DecodeError as error:
        raise InvalidToken("The access token cannot be read.", action="Sign in again.") from error
    return AccessToken(*(getattr(decoded, name) for name in _NAMES))


def write_token(sealed: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def read_token(token: str) -> bytes:
    """The sealed bytes of a token of ours. Raises `InvalidToken`."""
    if not token.startswith(PREFIX) or len(token) > MAX_LENGTH:
        raise InvalidToken(
            "This is not an access token of this server.",
            action="Send the access token that its /token endpoint gave for this resource.",
        )
    try:
        # b64decode would skip characters that are not of the alphabet, and a2b_base64 passes over the last character's
        # unused bits: several spellings of one token, where ours is the one that is written again the same.
        sealed = binascii.a2b_base64(_padded(token[len(PREFIX) :]), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidToken("The access token cannot be read.", action="Sign in again.") from error
    if write_token(sealed) != token:
        raise InvalidToken("The access token cannot be read.", action="Sign in again.")
    return sealed


def is_signed(token: str) -> bool:
    """Whether it looks like a JWT; ours, or somebody's."""
    return token.startswith("eyJ") and token.count(".") == 2


def signed_claims(token: AccessToken) -> dict[str, Any]:
    """RFC 9068 §2.2; what only we read stands under names of our own. `sub` is the person as we call them."""
    claims: dict[str, Any] = {
        "iss": token.issuer,
        "sub": token.user,
        "aud": token.resource,
        "client_id": token.client_id,
        "iat": token.issued_at,
        "exp": token.expires_at,
        "jti": token.token_id,
        "scope": " ".join(token.scopes),
        "grant_id": token.grant_id,
        "tenant": token.tenant,
        "identity": {"iss": token.identity_issuer, "sub": token.subject},
    }
    if token.roles:
        claims["roles"] = list(token.roles)
    if token.key_thumbprint:
        claims["cnf"] = {"jkt": token.key_thumbprint}
    if token.actors:
        claims["act"] = actor_claim(token.actors)
    return claims


def actor_claim(actors: Sequence[str]) -> dict[str, Any]:
    """RFC 8693 §4.1: the last actor outside, those before it inside."""
    first, *earlier = actors
    return {"sub": first, **({"act": actor_claim(earlier)} if earlier else {})}


def read_signed_claims(header: Mapping[str, Any], claims: Mapping[str, Any]) -> AccessToken:
    """What a JWT says whose signature is ours. Raises `InvalidToken`."""
    if header.get("typ") != "at+jwt":  # RFC 9068 §4: nothing else that we sign is an access token
        raise InvalidToken("This is not an access token.", action="Send the access token that /token gave.")
    try:
        return AccessToken(
            token_id=claims["jti"],
            grant_id=claims["grant_id"],
            issuer=claims["iss"],
            identity_issuer=claims["identity"]["iss"],
            subject=claims["identity"]["sub"],
            user=claims["sub"],
            tenant=claims["tenant"],
            client_id=claims["client_id"],
            scopes=tuple(claims["scope"].split()),
            resource=claims["aud"],
            issued_at=claims["iat"],
            expires_at=claims["exp"],
            key_thumbprint=claims.get("cnf", {}).get("jkt", ""),
            actors=_actors(claims.get("act")),
            roles=tuple(claims.get("roles", ())),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidToken("The access token cannot be read.", action="Sign in again.") from error


def _actors(act: Mapping[str, Any] | None) -> tuple[str, ...]:
    return () if act is None else (act["sub"], *_actors(act.get("act")))


def _padded(text: str) -> bytes:
    if "+" in text or "/" in text or "=" in text:
        raise ValueError
    return (text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)).encode("ascii")


def check_claims(token: AccessToken, *, issuer: str, resource: str, now: float) -> None:
    """Raise the `Refusal` that fits unless the token is ours, for exactly this resource, and alive."""
    if token.issuer != issuer:
        raise InvalidIssuer("The access token is from another issuer.", action="Sign in again.")
    if not is_same_resource(token.resource, resource):
        raise InvalidAudience(
            "The access token is for another resource.",
            action=f"Ask for a token with resource={resource}.",
            detail=f"token for {token.resource!r}, used at {resource!r}",
        )
    if now >= token.expires_at:
        raise TokenExpired(
            "The access token has expired.", action="Refresh it.", detail=f"{now - token.expires_at:.0f} s ago"
        )
