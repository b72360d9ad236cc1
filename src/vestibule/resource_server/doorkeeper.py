"""From what a request shows to a Principal: our own tokens, API keys, and the tokens of issuers that are trusted.

What is shown decides who judges it, and that one judges alone: a refusal is final, nobody else is tried.

    X-API-Key, or a bearer beginning vsk_     the API keys
    a bearer beginning vat_                   our own, sealed
    a JWT whose iss is ours                   our own, signed
    a JWT of another iss                      that issuer, if it is trusted
    anything else                             the issuers that can be asked; none: it is no token of this server

The warm path is a digest and a dict: what was admitted for this resource stays admitted until it expires, is revoked,
has not been verified for a while, or falls out of the bounded cache.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

from vestibule.errors import (
    InvalidDpopProof,
    InvalidIssuer,
    InvalidProof,
    InvalidToken,
    MissingAuthorization,
    PolicyDenied,
    SeveralCredentials,
    StoreUnavailable,
    TokenRevoked,
    UseDpopNonce,
)
from vestibule.model import AccessToken, Presented, Principal, Resource
from vestibule.ports import BlockStore, ProofChecker, Sealer, SigningKeys, TenantGate, TokenVerifier
from vestibule.protocol.access_token import PREFIX, is_signed
from vestibule.protocol.bearer import parse_authorization
from vestibule.resource_server.api_keys import ApiKeys
from vestibule.resource_server.blocked import BlockedPeople
from vestibule.resource_server.brake import Brake
from vestibule.resource_server.own_tokens import OwnTokens, principal_of
from vestibule.resource_server.revocations import RevocationWatch, Unwelcome
from vestibule.resource_server.verified import SIZE, VerifiedTokens, digest_of

Mode = Literal["local", "cloud", "auto"]

API_KEY = "vsk_"


class ForeignVerifier(TokenVerifier, Protocol):
    @property
    def has_opaque(self) -> bool:
        """Whether some issuer can be asked about tokens that are no JWT."""

    def check_issuer(self, issuer: str) -> None:
        """Raises `InvalidIssuer` unless somebody here verifies its tokens."""

    def is_hint(self, text: str) -> bool:
        """Whether a caller who says so may mean one of the issuers that can be asked."""

    def good_for(self, principal: Principal) -> float:
        """For how many seconds a principal may be remembered, if its token lives so long."""


class _Shown(NamedTuple):
    """What a request shows."""

    kind: Literal["own", "foreign", "api-key"]
    token: str
    scheme: str  # bearer, dpop, or x-api-key


class ResourceServer:
    """Implements `ports.Doorkeeper`, and `ports.TokenReader` for our own tokens."""

    def __init__(
        self,
        *,
        issuer: str,
        sealer: Sealer,
        signer: SigningKeys,
        proofs: ProofChecker,
        revocations: RevocationWatch,
        api_keys: ApiKeys | None = None,
        foreign: ForeignVerifier | None = None,
        blocks: BlockStore | None = None,
        tenants: TenantGate | None = None,
        mode: Mode = "auto",
        cache_size: int = SIZE,
    ) -> None:
        """`mode`: local takes our own tokens, cloud those of others, auto both. API keys are taken in each."""
        self._own = OwnTokens(issuer, sealer, signer)
        self._proofs = proofs
        self._revocations = revocations
        self._api_keys = api_keys
        self._foreign = foreign if mode != "local" else None
        self._blocked = BlockedPeople(blocks) if blocks is not None else None
        if self._blocked is not None:
            blocked = self._blocked
            revocations.add_listener(lambda _: blocked.forget())
        self._tenants = tenants
        self._takes_own = mode != "cloud"
        self._verified = VerifiedTokens(cache_size)
        self._flights: dict[bytes, asyncio.Task[Principal]] = {}
        self._brake = Brake()

    def recognize(self, presented: Presented, resource: Resource, now: float) -> Principal | None:
        if presented.authorization is None and presented.api_key is None:
            raise _nothing_shown(resource)
        digest = presented.digests.get(resource.identifier)
        if digest is None:
            digest = presented.digests[resource.identifier] = digest_of(self._decisive(presented), resource)
        principal = self._verified.get(digest, now)
        if principal is None or self._revocations.covers(principal) or self._revocations.is_blind():
            return self._admit_at_once(digest, presented, resource, now)
        if principal.shown == "foreign-token" and self._blocked is not None and self._blocked.may_have(principal):
            return None
        return principal

    def _admit_at_once(self, digest: bytes, presented: Presented, resource: Resource, now: float) -> Principal | None:
        """What costs no more than a look into it: tokens that we have sealed, and what cannot be good. None: ask
        `admit`. A flood of nonsense must cost less than the calls it would keep waiting."""
        shown = self._shown(presented, resource)
        if shown.kind != "own" or is_signed(shown.token):
            self._verified.check_not_refused(digest, now)
            return None
        return self._keep(digest, shown, self._admit_own(shown, resource, now), resource)

    async def admit(self, presented: Presented, resource: Resource, now: float) -> Principal:
        shown = self._shown(presented, resource)
        digest = digest_of(self._decisive(presented), resource)
        if shown.kind == "own" and not is_signed(shown.token):
            admitted = self._admit_own(shown, resource, now)
        else:
            admitted = await self._admit_once(digest, shown, presented, resource, now)
        return self._keep(digest, shown, admitted, resource)

    def _keep(self, digest: bytes, shown: _Shown, admitted: tuple[Principal, float], resource: Resource) -> Principal:
        principal, until = admitted
        _check_scheme(shown, principal, self._proofs)
        check_access(principal, resource)
        return self._verified.keep(digest, principal, until)

    def forget(self) -> None:
        """Every token is verified anew: a key has been retired, and what it made is none any more."""
        self._verified.forget()

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
        read = self._own.open(token, now)
        if not even_revoked:
            self._check_not_revoked(read)
        return read

    def _decisive(self, presented: Presented) -> Presented:
        """Without what changes nothing: a hint that means nobody, a header that is no key of ours."""
        authorization, provider = presented.authorization, presented.provider
        if provider is not None and not (self._foreign is not None and self._foreign.is_hint(_text(provider))):
            provider = None
        return Presented(authorization, presented.api_key if self._has_key(presented) else None, provider)

    def _has_key(self, presented: Presented) -> bool:
        """Where there are no API keys, X-API-Key beside a token is somebody else's header, and shows us nothing."""
        return presented.api_key is not None and (self._api_keys is not None or presented.authorization is None)

    # --- who judges -------------------------------------------------------------------------------------------------

    def _shown(self, presented: Presented, resource: Resource) -> _Shown:
        has_key = self._has_key(presented)
        if presented.authorization is not None and has_key:
            raise SeveralCredentials(
                "The request shows an access token and an API key.", action="Send one of them (RFC 6750 §2)."
            )
        if presented.api_key is not None and has_key:
            return _Shown("api-key", _text(presented.api_key), "x-api-key")
        if presented.authorization is None:
            raise _nothing_shown(resource)
        scheme, token = parse_authorization(presented.authorization)
        if token.startswith(API_KEY) or (self._api_keys is not None and self._api_keys.takes(token)):
            return _Shown("api-key", token, scheme)
        return _Shown("own" if self._is_own(token) else "foreign", token, scheme)

    def _is_own(self, token: str) -> bool:
        """Whether it is for us to judge; also what is nobody's, so that we say so. What costs no work is refused here.

        Raises `InvalidToken` and `InvalidIssuer` for JWTs of nobody.
        """
        if self._foreign is None or token.startswith(PREFIX):
            return True
        if token.startswith("ey") and "." in token:  # a JWT, or what pretends to be one
            issuer = self._issuer_of(token)
            if issuer != self._own.issuer:
                self._foreign.check_issuer(issuer)
            return issuer == self._own.issuer
        return not self._foreign.has_opaque

    def _issuer_of(self, token: str) -> str:
        from vestibule.resource_server.foreign import issuer_of  # brings the JOSE library: 3 MB

        return issuer_of(token)

    # --- judging ----------------------------------------------------------------------------------------------------

    def _admit_own(self, shown: _Shown, resource: Resource, now: float) -> tuple[Principal, float]:
        if not self._takes_own:
            raise InvalidIssuer(
                "This server takes the tokens of other issuers only.",
                action="Sign in where the resource metadata says.",
            )
        token = self._own.open(shown.token, now, resource)
        self._check_not_revoked(token)
        return principal_of(token), token.expires_at

    async def _admit_once(
        self, digest: bytes, shown: _Shown, presented: Presented, resource: Resource, now: float
    ) -> tuple[Principal, float]:
        """However many show the same token at once, it is verified once; and not again when it was refused just now."""
        self._verified.check_not_refused(digest, now)
        flight = self._flights.get(digest)
        if flight is None:
            hint = _text(presented.provider or b"")
            flight = asyncio.create_task(self._judge(digest, shown, resource, now, hint, presented.network))
            self._flights[digest] = flight
            flight.add_done_callback(lambda done: self._landed(digest, done))
        principal = await asyncio.shield(flight)  # whoever leaves does not end it for the others
        return principal, min(principal.expires_at.timestamp(), now + self._good_for(shown, principal))

    def _landed(self, digest: bytes, flight: "asyncio.Task[Principal]") -> None:
        self._flights.pop(digest, None)
        if not flight.cancelled():
            flight.exception()  # whoever waited may have left: then nobody else would look at it

    async def _judge(
        self, digest: bytes, shown: _Shown, resource: Resource, now: float, hint: str, network: str
    ) -> Principal:
        await self._brake.wait(network)
        try:
            if shown.kind == "own":
                return self._admit_own(shown, resource, now)[0]
            verifier = self._api_keys if shown.kind == "api-key" else self._foreign
            if verifier is None:
                raise InvalidToken("This server takes no API keys.", action="Sign in, and send the access token.")
            principal = await verifier.verify(shown.token, resource, now, hint=hint)
        except InvalidToken as refusal:
            self._brake.charge(network)
            if not isinstance(refusal, InvalidProof):
                self._verified.refuse(digest, refusal, now)
            raise
        await self._check_welcome(principal)
        return principal

    async def _check_welcome(self, principal: Principal) -> None:
        """Who was blocked here, or whose tenant was suspended, does not come in with another issuer's token either."""
        if principal.shown == "foreign-token" and self._blocked is not None:
            await self._blocked.check(principal)
        if principal.shown == "foreign-token" and self._tenants is not None:
            await self._tenants.check_open(principal.tenant)
        self._check_not_revoked(principal)

    def _good_for(self, shown: _Shown, principal: Principal) -> float:
        return self._foreign.good_for(principal) if shown.kind == "foreign" and self._foreign else float("inf")

    def _check_not_revoked(self, token: AccessToken | Principal) -> None:
        if self._revocations.covers(token):
            raise TokenRevoked("The access token has been revoked.", action="Sign in again.")
        if self._revocations.is_blind():
            raise StoreUnavailable(
                "Whether this token has been revoked cannot be known right now.", action="Try again in a moment."
            )


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


def _check_scheme(shown: _Shown, principal: Principal, proofs: ProofChecker) -> None:
    if shown.scheme != "dpop" and principal.key_thumbprint:
        # RFC 9449 §7.2: a token that is bound to a key and comes as a bearer token has lost its key.
        raise InvalidProof(
            "The access token is bound to a key, and came as a bearer token.",
            action='Send it with "Authorization: DPoP" and a proof.',
            error="invalid_token",
            nonce=proofs.nonce(),
        )
    if shown.scheme == "dpop" and not principal.key_thumbprint:
        raise InvalidToken(
            "The access token is bound to no key.", action='Send tokens of token_type Bearer with "Bearer".'
        )


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip(" ")
