"""From an Authorization header to a Principal.

The warm path is a digest and a dict: a token that was admitted for this resource stays admitted until it expires, is
revoked, or falls out of the bounded cache. Opening a sealed token needs no store either.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from vestibule.errors import (
    BadRequest,
    InvalidDpopProof,
    InvalidProof,
    InvalidSignature,
    InvalidToken,
    MissingAuthorization,
    PolicyDenied,
    StoreUnavailable,
    TokenRevoked,
    UseDpopNonce,
)
from vestibule.model import AccessToken, Presented, Principal, Resource
from vestibule.ports import ProofChecker, Sealer, SigningKeys
from vestibule.protocol.access_token import (
    PURPOSE,
    check_claims,
    decode_claims,
    is_signed,
    read_signed_claims,
    read_token,
)
from vestibule.protocol.bearer import parse_authorization
from vestibule.resource_server.api_keys import ApiKeys
from vestibule.resource_server.revocations import RevocationWatch, Unwelcome

CACHE_SIZE = 20_000  # verified tokens; about 2 KB each

_CacheKey = tuple[str, bytes]


class ResourceServer:
    """Implements `ports.Doorkeeper` and `ports.TokenReader` for the access tokens of one issuer: ourselves."""

    def __init__(
        self,
        *,
        issuer: str,
        sealer: Sealer,
        signer: SigningKeys,
        proofs: ProofChecker,
        revocations: RevocationWatch,
        api_keys: ApiKeys | None = None,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        self._issuer = issuer
        self._sealer = sealer
        self._signer = signer
        self._proofs = proofs
        self._revocations = revocations
        self._api_keys = api_keys
        self._cache: dict[_CacheKey, tuple[Principal, float]] = {}
        self._cache_size = cache_size

    def recognize(self, presented: Presented, resource: Resource, now: float) -> Principal | None:
        shown = _shown(presented)
        if shown is None:
            return None
        found = self._cache.get((resource.identifier, sha256(shown).digest()))
        if found is None:
            return None
        principal, expires_at = found
        if now >= expires_at or self._revocations.covers(principal) or self._revocations.is_blind():
            return None  # `admit` says why
        return principal

    async def admit(self, presented: Presented, resource: Resource, now: float) -> Principal:
        authorization, api_key = presented.authorization, presented.api_key
        if api_key is not None:
            if authorization is not None:  # RFC 6750 §2: one method; whichever we took, the other would be ignored
                raise BadRequest("The request shows an API key and an Authorization header.", action="Send one.")
            return await self._admit_key(api_key.decode("latin-1"), _as_header(api_key), resource, now)
        if authorization is None:
            raise _nothing_shown(resource)
        scheme, bearer = parse_authorization(authorization)
        if scheme == "bearer" and self._api_keys is not None and self._api_keys.takes(bearer):
            return await self._admit_key(bearer, authorization, resource, now)
        token = self._verify(bearer, now, resource)
        if scheme == "bearer" and token.key_thumbprint:
            # RFC 9449 §7.2: a token that is bound to a key and comes as a bearer token has lost its key.
            raise InvalidProof(
                "The access token is bound to a key, and came as a bearer token.",
                action='Send it with "Authorization: DPoP" and a proof.',
                error="invalid_token",
                nonce=self._proofs.nonce(),
            )
        if scheme == "dpop" and not token.key_thumbprint:
            raise InvalidToken(
                "The access token is bound to no key.", action='Send tokens of token_type Bearer with "Bearer".'
            )
        principal = _principal(token)
        check_access(principal, resource)
        self._remember((resource.identifier, sha256(authorization).digest()), principal, token.expires_at)
        return principal

    async def _admit_key(self, key: str, shown: bytes, resource: Resource, now: float) -> Principal:
        """`shown`: what it is remembered by."""
        if self._api_keys is None:
            raise InvalidToken("This server takes no API keys.", action="Sign in.")
        principal = await self._api_keys.verify(key, resource, now)
        self._remember((resource.identifier, sha256(shown).digest()), principal, principal.expires_at.timestamp())
        return principal

    def forget(self) -> None:
        """Every token is verified anew: a key has been retired, and what it made is none any more."""
        self._cache.clear()

    def on_revoked(self, listener: Callable[[Unwelcome], None]) -> None:
        self._revocations.add_listener(listener)

    def check_proof(
        self, principal: Principal, authorization: bytes, proofs: Sequence[str], *, method: str, url: str
    ) -> str:
        if not principal.key_thumbprint:
            return ""
        _, token = parse_authorization(authorization)
        try:
            proof = self._proofs.check(proofs, method=method, url=url, access_token=token)
        except UseDpopNonce as error:
            raise InvalidProof(error.message, nonce=error.nonce, error=error.error) from error
        except InvalidDpopProof as error:
            raise InvalidProof(
                error.message, nonce=self._proofs.nonce(), action=error.action, detail=error.detail
            ) from error
        if proof.thumbprint != principal.key_thumbprint:
            raise InvalidProof("The DPoP proof is of another key than the token's.", nonce=self._proofs.nonce())
        return self._proofs.offered_nonce()

    def read(self, token: str, now: float, *, even_revoked: bool = False) -> AccessToken:
        read = self._open(token, now)
        if not even_revoked:
            self._check_not_revoked(read)
        return read

    def _verify(self, bearer: str, now: float, resource: Resource) -> AccessToken:
        token = self._open(bearer, now, resource)
        self._check_not_revoked(token)
        return token

    def _open(self, bearer: str, now: float, resource: Resource | None = None) -> AccessToken:
        token = self._read_signed(bearer) if is_signed(bearer) else self._open_sealed(bearer)
        wanted = token.resource if resource is None else resource.identifier
        check_claims(token, issuer=self._issuer, resource=wanted, now=now)
        return token

    def _check_not_revoked(self, token: AccessToken) -> None:
        if self._revocations.covers(token):
            raise TokenRevoked("The access token has been revoked.", action="Sign in again.")
        if self._revocations.is_blind():
            raise StoreUnavailable(
                "Whether this token has been revoked cannot be known right now.", action="Try again in a moment."
            )

    def _open_sealed(self, bearer: str) -> AccessToken:
        opened = self._sealer.open(PURPOSE, read_token(bearer))
        if opened is None:
            raise InvalidSignature("The access token was not made by this server.", action="Sign in again.")
        return decode_claims(opened)

    def _read_signed(self, bearer: str) -> AccessToken:
        from vestibule.protocol.jwt import JwtError, verify  # brings the JOSE library: 3 MB

        try:
            header, claims = verify(bearer, self._signer.public_jwks(), algorithms=("ES256",))
        except JwtError as error:
            raise InvalidSignature(
                "The access token was not made by this server.", action="Sign in again.", detail=str(error)
            ) from error
        return read_signed_claims(header, claims)

    def _remember(self, key: _CacheKey, principal: Principal, expires_at: float) -> None:
        cache = self._cache
        cache.pop(key, None)
        while len(cache) >= self._cache_size:
            del cache[next(iter(cache))]  # the oldest
        cache[key] = (principal, expires_at)


def _shown(presented: Presented) -> bytes | None:
    """What a verified credential is remembered by; None where there is none, or more than one."""
    authorization, api_key = presented.authorization, presented.api_key
    if api_key is None:
        return authorization
    return _as_header(api_key) if authorization is None else None


def _as_header(api_key: bytes) -> bytes:
    return b"\0" + api_key  # unlike any Authorization header: none has a zero byte


def check_access(principal: Principal, resource: Resource) -> None:
    """Raise `PolicyDenied` for whoever shows something else than an API key where only keys are taken."""
    if resource.upstream.access == "api-key-only" and principal.shown != "api-key":
        raise PolicyDenied(
            "This MCP server takes API keys only.",
            action="Send a key in X-API-Key; the operator makes one with `vestibule apikey create`.",
            detail=f"{principal.user} with an {principal.shown}",
        )


def _nothing_shown(resource: Resource) -> MissingAuthorization:
    if resource.upstream.access == "api-key-only":
        return MissingAuthorization("This MCP server takes API keys only.", action="Send one in X-API-Key.")
    return MissingAuthorization(
        "This MCP server is behind a sign-in, and the request has no access token.",
        action="Let your MCP client sign in: it finds everything it needs in the WWW-Authenticate header.",
    )


def _principal(token: AccessToken) -> Principal:
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
