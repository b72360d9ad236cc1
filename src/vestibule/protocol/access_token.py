"""Sealed access tokens: `vat_` and the sealed claims, opaque to clients.

Sealing is the key ring's work; this module says what is inside and what it must say to be accepted.
"""

import base64
import binascii

import msgspec

from vestibule.errors import InvalidAudience, InvalidIssuer, InvalidToken, TokenExpired
from vestibule.model import AccessToken
from vestibule.protocol.resource import is_same_resource

PREFIX = "vat_"
PURPOSE = "access-token"
MAX_LENGTH = 8192


def encode_claims(token: AccessToken) -> bytes:
    return msgspec.json.encode(
        [
            token.token_id,
            token.grant_id,
            token.issuer,
            token.identity_issuer,
            token.subject,
            token.user,
            token.tenant,
            token.client_id,
            token.scopes,
            token.resource,
            token.issued_at,
            token.expires_at,
        ]
    )


_decoder = msgspec.json.Decoder(
    tuple[str, str, str, str, str, str, str, str, tuple[str, ...], str, int, int],
)


def decode_claims(claims: bytes) -> AccessToken:
    """Raises `InvalidToken`."""
    try:
        return AccessToken(*_decoder.decode(claims))
    except msgspec.DecodeError as error:
        raise InvalidToken("The access token cannot be read.", action="Sign in again.") from error


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
