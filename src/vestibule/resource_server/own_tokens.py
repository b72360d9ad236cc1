"""The access tokens of one issuer: ourselves. Opening one needs no store and waits for nobody."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vestibule.errors import InvalidSignature
from vestibule.model import AccessToken, Principal, Resource
from vestibule.ports import Sealer, SigningKeys
from vestibule.protocol.access_token import (
    PURPOSE,
    check_claims,
    decode_claims,
    is_signed,
    read_signed_claims,
    read_token,
)

if TYPE_CHECKING:
    from vestibule.protocol.jwt import KeySet


class OwnTokens:
    def __init__(self, issuer: str, sealer: Sealer, signer: SigningKeys) -> None:
        self.issuer = issuer
        self._sealer = sealer
        self._signer = signer
        self._keys: tuple[Any, KeySet] | None = None

    def open(self, bearer: str, now: float, resource: Resource | None = None) -> AccessToken:
        """What it says, for this resource or for whichever. Raises a `Refusal`. Revocation is not looked at."""
        token = self._read_signed(bearer) if is_signed(bearer) else self._open_sealed(bearer)
        wanted = token.resource if resource is None else resource.identifier
        check_claims(token, issuer=self.issuer, resource=wanted, now=now)
        return token

    def _key_set(self) -> "KeySet":
        """Imported once for as long as the ring has these keys."""
        from vestibule.protocol.jwt import KeySet

        published = self._signer.public_jwks()["keys"]
        if self._keys is None or self._keys[0] != published:
            self._keys = (published, KeySet.read({"keys": published}))
        return self._keys[1]

    def _open_sealed(self, bearer: str) -> AccessToken:
        opened = self._sealer.open(PURPOSE, read_token(bearer))
        if opened is None:
            raise InvalidSignature("The access token was not made by this server.", action="Sign in again.")
        return decode_claims(opened)

    def _read_signed(self, bearer: str) -> AccessToken:
        from vestibule.protocol.jwt import JwtError  # brings the JOSE library: 3 MB

        try:
            header, claims, _ = self._key_set().verify(bearer, algorithms=("ES256",))
        except JwtError as error:
            raise InvalidSignature(
                "The access token was not made by this server.", action="Sign in again.", detail=str(error)
            ) from error
        return read_signed_claims(header, claims)


def principal_of(token: AccessToken) -> Principal:
    return Principal(
        issuer=token.issuer,
        identity_issuer=token.identity_issuer,
        subject=token.subject,
        user=token.user,
        tenant=token.tenant,
        client_id=token.client_id,
        scopes=frozenset(token.scopes),
        resource=token.resource,
        grant_id=token.grant_id,
        token_id=token.token_id,
        expires_at=datetime.fromtimestamp(token.expires_at, UTC),
        issued_at=token.issued_at,
        key_thumbprint=token.key_thumbprint,
        actors=token.actors,
        roles=frozenset(token.roles),
    )
