"""Whose is a token that is not ours? One question per token: its `iss` decides, and where it has none, how it begins.

A hint of the caller picks whom to ask among those whose tokens look alike, and proves nothing. A JWT is never shown to
anybody; an opaque token only to issuers whose it can be, so that none collects the tokens of another.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from vestibule.errors import InvalidIssuer, InvalidToken, Refusal, TenantDenied, Unavailable
from vestibule.model import DEFAULT_TENANT, Principal, Resource, TrustedIssuer
from vestibule.ports import HttpClient, IssuerDocuments, TenantMap
from vestibule.protocol.foreign_token import MAX_TOKEN
from vestibule.protocol.jwt import JwtError, unverified_claims
from vestibule.resource_server.asked_tokens import AskedTokens, asked_tokens
from vestibule.resource_server.signed_tokens import Found, SignedTokens, signed_tokens

MAX_ASKED = 3  # issuers about one token
SIGNED_FOR = 300.0  # seconds that a verified signature counts: then the issuer's keys are looked at again
ASKED_FOR = 60.0  # seconds that an answer about an opaque token counts

_Reader = SignedTokens | AskedTokens


class ForeignTokens:
    """Implements `ports.TokenVerifier` for the tokens of some issuers."""

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        *,
        documents: Callable[[TrustedIssuer], IssuerDocuments],
        http: HttpClient,
        identifiers: Sequence[str] = (),
        tenants: TenantMap | None = None,
    ) -> None:
        """`identifiers`: audiences that stand for every resource here, beside each resource's own address.

        `tenants`: None puts everybody into the default tenant.
        """
        self._identifiers = tuple(identifiers)
        self._tenants = tenants
        self._named: dict[str, _Reader] = {}  # by `iss`
        self._asked: list[AskedTokens] = []
        for trusted in (one.complete() for one in issuers):
            found = documents(trusted)
            if trusted.is_asked:
                self._asked.append(asked_tokens(trusted, http, found))
            if trusted.signs:
                reader = signed_tokens(trusted, found)
                self._named.update(dict.fromkeys(reader.names, reader))
            elif trusted.kind == "introspection":
                self._named[trusted.issuer] = self._asked[-1]

    @property
    def has_opaque(self) -> bool:
        return bool(self._asked)

    def is_hint(self, text: str) -> bool:
        return any(text in (one.trusted.name, one.trusted.kind) for one in self._asked)

    def good_for(self, principal: Principal) -> float:
        """For how many seconds a principal may be remembered, if its token lives so long."""
        reader = self._named.get(principal.issuer)
        return SIGNED_FOR if isinstance(reader, SignedTokens) and principal.issued_at else ASKED_FOR

    async def verify(self, token: str, resource: Resource, now: float, *, hint: str = "") -> Principal:
        if len(token) > MAX_TOKEN:
            raise InvalidToken(f"The access token is longer than {MAX_TOKEN} characters.", action="Get another one.")
        if looks_signed(token):
            reader = self._reader_of(token)
            found = await reader.verify(token, self._audiences(reader, resource), now)
            return self._admit(reader, found, resource, now)
        return await self._ask(token, resource, now, hint)

    def check_issuer(self, issuer: str) -> None:
        """Raises `InvalidIssuer`: nobody here verifies its tokens."""
        if issuer not in self._named:
            raise InvalidIssuer(
                "The access token is from an issuer that this server does not know.",
                action="Sign in where the resource metadata says.",
                detail=f"iss is {issuer[:200]!r}",
            )

    def _reader_of(self, token: str) -> _Reader:
        issuer = issuer_of(token)
        self.check_issuer(issuer)
        return self._named[issuer]

    async def _ask(self, token: str, resource: Resource, now: float, hint: str) -> Principal:
        """The first issuer that knows it. One that cannot be asked counts only when no other does."""
        refusal: Refusal | None = None
        for reader in self._whom_to_ask(token, hint):
            try:
                found = await reader.verify(token, self._audiences(reader, resource), now)
            except Refusal as error:
                refusal = error if refusal is None or isinstance(error, Unavailable) else refusal
            else:
                return self._admit(reader, found, resource, now)
        raise refusal or InvalidToken(
            "This is not an access token of anybody whom this server knows.", action="Sign in again."
        )

    def _whom_to_ask(self, token: str, hint: str) -> Sequence[AskedTokens]:
        by_prefix = [one for one in self._asked if token.startswith(one.prefixes or ("\0",))]
        possible = by_prefix or [one for one in self._asked if not one.prefixes]
        hinted = [one for one in possible if hint and hint in (one.trusted.name, one.trusted.kind)]
        return (hinted or possible)[:MAX_ASKED]

    def _audiences(self, reader: _Reader, resource: Resource) -> frozenset[str]:
        return frozenset(reader.trusted.audiences or (*self._identifiers, resource.identifier, *resource.aliases))

    def _admit(self, reader: _Reader, found: Found, resource: Resource, now: float) -> Principal:
        token, identity = found.token, found.identity
        tenant = DEFAULT_TENANT if self._tenants is None else self._tenants.tenant_of(identity)
        if tenant is None:
            raise TenantDenied(
                "This person's organisation has no place here.", action="Ask the operator.", detail=identity.user
            )
        return Principal(
            issuer=token.issuer,
            identity_issuer=token.issuer,
            subject=token.subject,
            user=identity.user,
            tenant=tenant,
            client_id=token.client_id,
            scopes=token.scopes or frozenset(reader.trusted.scopes),
            resource=resource.identifier,
            grant_id="",
            token_id=f"{reader.trusted.name}:{token.token_id}" if token.token_id else "",
            expires_at=datetime.fromtimestamp(token.expires_at, UTC),
            # An issuer whose clock is ahead does not put its tokens behind a revocation that comes now.
            issued_at=min(token.issued_at, int(now)),
            key_thumbprint=token.key_thumbprint,
            roles=token.roles,
            shown="foreign-token",
        )


def looks_signed(token: str) -> bool:
    """Whether it is written like a JWT, or nearly. Such a one is never shown to issuers that could be asked."""
    return token.startswith("ey") and "." in token


def issuer_of(token: str) -> str:
    """What a JWT says of its issuer, verified by nobody; empty: nothing. It picks who verifies it, nothing else.

    Raises `InvalidToken` for what is no JWT.
    """
    try:
        issuer = unverified_claims(token)[1].get("iss")
    except JwtError as error:
        raise InvalidToken("The access token cannot be read.", action="Sign in again.", detail=str(error)) from error
    return issuer if isinstance(issuer, str) else ""
