"""From an Authorization header to a Principal.

The warm path is a digest and a dict: a token that was admitted for this resource stays admitted until it expires, is
revoked, or falls out of the bounded cache. Opening a sealed token needs no store either.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

from vestibule.errors import InvalidSignature, MissingAuthorization, StoreUnavailable, TokenRevoked
from vestibule.model import AccessToken, Principal, Resource
from vestibule.ports import Sealer
from vestibule.protocol.access_token import PURPOSE, check_claims, decode_claims, read_token
from vestibule.protocol.bearer import parse_authorization
from vestibule.resource_server.revocations import RevocationWatch, Unwelcome

CACHE_SIZE = 20_000  # verified tokens; about 2 KB each

_CacheKey = tuple[str, bytes]


class ResourceServer:
    """Implements `ports.Doorkeeper` for the access tokens of one issuer: ourselves."""

    def __init__(
        self, *, issuer: str, sealer: Sealer, revocations: RevocationWatch, cache_size: int = CACHE_SIZE
    ) -> None:
        self._issuer = issuer
        self._sealer = sealer
        self._revocations = revocations
        self._cache: dict[_CacheKey, tuple[Principal, float]] = {}
        self._cache_size = cache_size

    def recognize(self, authorization: bytes | None, resource: Resource, now: float) -> Principal | None:
        if authorization is None:
            return None
        found = self._cache.get((resource.identifier, sha256(authorization).digest()))
        if found is None:
            return None
        principal, expires_at = found
        if now >= expires_at or self._revocations.covers(principal) or self._revocations.is_blind():
            return None  # `admit` says why
        return principal

    async def admit(self, authorization: bytes | None, resource: Resource, now: float) -> Principal:
        if authorization is None:
            raise MissingAuthorization(
                "This MCP server is behind a sign-in, and the request has no access token.",
                action="Let your MCP client sign in: it finds everything it needs in the WWW-Authenticate header.",
            )
        token = self._verify(parse_authorization(authorization), resource, now)
        principal = _principal(token)
        self._remember((resource.identifier, sha256(authorization).digest()), principal, token.expires_at)
        return principal

    def on_revoked(self, listener: Callable[[Unwelcome], None]) -> None:
        self._revocations.add_listener(listener)

    def _verify(self, bearer: str, resource: Resource, now: float) -> AccessToken:
        opened = self._sealer.open(PURPOSE, read_token(bearer))
        if opened is None:
            raise InvalidSignature("The access token was not made by this server.", action="Sign in again.")
        token = decode_claims(opened)
        check_claims(token, issuer=self._issuer, resource=resource.identifier, now=now)
        if self._revocations.covers(token):
            raise TokenRevoked("The access token has been revoked.", action="Sign in again.")
        if self._revocations.is_blind():
            raise StoreUnavailable(
                "Whether this token has been revoked cannot be known right now.", action="Try again in a moment."
            )
        return token

    def _remember(self, key: _CacheKey, principal: Principal, expires_at: float) -> None:
        cache = self._cache
        cache.pop(key, None)
        while len(cache) >= self._cache_size:
            del cache[next(iter(cache))]  # the oldest
        cache[key] = (principal, expires_at)


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
    )
