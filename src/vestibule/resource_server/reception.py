"""From the headers of a request to a Principal, in an application that `protect` stands before.

The rules of the front door, without a door: one credential, in a header, for exactly this resource. What a token is
worth, its verifier says; a token that is bound to a key (RFC 9449) is worth nothing without the proof.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from vestibule.errors import (
    BadRequest,
    InvalidDpopProof,
    InvalidProof,
    InvalidToken,
    MissingAuthorization,
    OriginDenied,
    SeveralCredentials,
    UseDpopNonce,
)
from vestibule.model import Principal, Resource
from vestibule.ports import Clock, ProofChecker, TokenVerifier
from vestibule.protocol.bearer import parse_authorization

Headers = Sequence[tuple[bytes, bytes]]
ApiKeyReader = Callable[[str], Awaitable[Principal | None]]

_SINGLE = (b"authorization", b"x-api-key", b"origin")


@dataclass(frozen=True, slots=True)
class Arrival:
    """The head of a request, as ASGI tells it. Names of headers are in lower case."""

    method: str
    path: str
    query: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Admitted:
    principal: Principal
    next_nonce: str = ""  # for the client's next proof (RFC 9449 §8.2)


class Reception:
    """Who is at the door of one resource."""

    def __init__(
        self,
        resource: Resource,
        *,
        verifier: TokenVerifier,
        clock: Clock,
        origins: Sequence[str] = (),
        api_key: ApiKeyReader | None = None,
        proofs: ProofChecker | None = None,
    ) -> None:
        parts = urlsplit(resource.identifier)
        self._resource = resource
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._origins = frozenset(origin.lower().encode("ascii") for origin in (self._origin, *origins))
        self._verifier = verifier
        self._clock = clock
        self._api_key = api_key
        self._proofs = proofs

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock().timestamp()

    async def admit(self, arrival: Arrival) -> Admitted:
        """Raises a `Refusal`: whoever knocks without credentials is asked for them, and told nothing else."""
        single = _single(arrival.headers)
        self._check_origin(single.get(b"origin"))
        _check_query(arrival.query)
        authorization, api_key = single.get(b"authorization"), single.get(b"x-api-key")
        if api_key is not None and self._api_key is None:
            api_key = None  # no credential here, and no way in
        if authorization is not None and api_key is not None:
            raise SeveralCredentials("The request shows two credentials.", action="Send an access token or an API key.")
        if authorization is not None:
            return await self._by_token(authorization, arrival)
        if api_key is not None:
            return await self._by_key(api_key)
        raise MissingAuthorization(
            "This server is behind a sign-in, and the request has no access token.",
            action="Let your MCP client sign in: it finds everything it needs in the WWW-Authenticate header.",
        )

    def _check_origin(self, origin: bytes | None) -> None:
        if origin is not None and origin.lower() not in self._origins:
            raise OriginDenied(
                "Requests from pages of that origin are not allowed.", action="Add it to origins, if it is yours."
            )

    async def _by_token(self, authorization: bytes, arrival: Arrival) -> Admitted:
        scheme, token = parse_authorization(authorization)
        principal = await self._verifier.verify(token, self._resource, self.now())
        if not principal.key_thumbprint:
            if scheme == "dpop":
                raise InvalidToken(
                    "The access token is bound to no key.", action='Send tokens of token_type Bearer with "Bearer".'
                )
            return Admitted(principal)
        if self._proofs is None:
            raise InvalidToken(
                "The access token is bound to a key, and this server checks no proofs.",
                action="Get a token that is not bound to a key.",
            )
        return Admitted(principal, self._check_proof(self._proofs, principal, scheme, token, arrival))

    def _check_proof(
        self, checker: ProofChecker, principal: Principal, scheme: str, token: str, arrival: Arrival
    ) -> str:
        if scheme != "dpop":  # RFC 9449 §7.2: a bound token that comes as a bearer token has lost its key
            raise InvalidProof(
                "The access token is bound to a key, and came as a bearer token.",
                action='Send it with "Authorization: DPoP" and a proof.',
                error="invalid_token",
                nonce=checker.nonce(),
            )
        proofs = [value.decode("latin-1") for name, value in arrival.headers if name == b"dpop"]
        url = f"{self._origin}{arrival.path}"
        try:
            proof = checker.check(proofs, method=arrival.method, url=url, access_token=token)
        except UseDpopNonce as error:
            raise InvalidProof(error.message, nonce=error.nonce, error=error.error) from error
        except InvalidDpopProof as error:
            raise InvalidProof(error.message, nonce=checker.nonce(), action=error.action) from error
        if proof.thumbprint != principal.key_thumbprint:
            raise InvalidProof("The DPoP proof is of another key than the token's.", nonce=checker.nonce())
        return checker.offered_nonce()

    async def _by_key(self, value: bytes) -> Admitted:
        assert self._api_key is not None
        try:
            principal = await self._api_key(value.decode("ascii"))
        except UnicodeDecodeError:
            principal = None
        if principal is None:
            raise InvalidToken("The API key is none of ours.", action="Ask whoever gave it to you for a new one.")
        return Admitted(principal)


def _single(headers: Headers) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _SINGLE:
            if name in found:
                raise BadRequest(f"The header {name.decode()} stands more than once.", action="Send it once.")
            found[name] = value
    return found


def _check_query(query: bytes) -> None:
    """RFC 6750 §2.3 is not offered: a URL ends in logs and histories."""
    if b"token" in query.lower() and any(
        name.lower() == "access_token" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    ):
        raise BadRequest("A token does not belong in a URL.", action="Send it in the Authorization header.")
