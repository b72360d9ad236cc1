"""Tokens that are JWTs: verified by their issuer's keys, then read by the rules of its kind. Nobody is asked about one.

An issuer may sign under several names: Entra in two versions and for several tenants, Google with and without the
scheme. Each is listed here to the letter, and a token must be of the one that its `iss` says.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from vestibule.errors import FetchError, InvalidIssuer, InvalidSignature, InvalidToken, JwksFetchError
from vestibule.model import Identity, TrustedIssuer
from vestibule.ports import IssuerKeys
from vestibule.protocol import entra
from vestibule.protocol.claims import plain_email, text_of, verified_email
from vestibule.protocol.foreign_token import ForeignToken, read_foreign_token
from vestibule.protocol.jwt import JwtError, Verified
from vestibule.protocol.registration import clean_name


@dataclass(frozen=True, slots=True)
class Found:
    """What was learnt from a token, and about whom."""

    token: ForeignToken
    identity: Identity


class SignedTokens:
    """Of one issuer."""

    def __init__(self, trusted: TrustedIssuer, keys: IssuerKeys) -> None:
        self.trusted = trusted
        self._keys = keys

    @property
    def names(self) -> tuple[str, ...]:
        """Every `iss` that its tokens may have."""
        return (self.trusted.issuer,)

    async def verify(self, token: str, audiences: Collection[str], now: float) -> Found:
        """Raises a `Refusal`; `JwksFetchError` when its keys cannot be had."""
        try:
            verified = await self._keys.verified(token, algorithms=self.trusted.algorithms)
        except FetchError as error:
            raise JwksFetchError(
                "The keys of the token's issuer cannot be read right now.",
                action="Try again in a moment.",
                detail=f"{self.trusted.issuer}: {error.detail or error.message}",
            ) from error
        except JwtError as error:  # one message for all causes: nobody learns which keys there are
            raise InvalidSignature(
                "The signature of the access token is not its issuer's.", action="Sign in again.", detail=str(error)
            ) from error
        return self.read(verified, audiences, now)

    def read(self, verified: Verified, audiences: Collection[str], now: float) -> Found:
        token = read_foreign_token(
            verified.header, verified.claims, issuer=self.trusted.issuer, audiences=audiences, now=now
        )
        return self._found(token)

    def _found(self, token: ForeignToken, *, email: str | None = None) -> Found:
        claims = token.claims
        email = verified_email(claims) if email is None else email
        identity = Identity(
            issuer=token.issuer,
            subject=token.subject,
            provider=self.trusted.name,
            name=clean_name(text_of(claims, "name") or text_of(claims, "preferred_username") or email),
            email=email,
            roles=token.roles,
            claims=claims,
        )
        return Found(token, identity)


class Auth0Tokens(SignedTokens):
    """Auth0 writes what a role allows under `permissions`, when RBAC is switched on for an API."""

    def read(self, verified: Verified, audiences: Collection[str], now: float) -> Found:
        found = super().read(verified, audiences, now)
        permissions = verified.claims.get("permissions")
        listed = {one for one in permissions if isinstance(one, str)} if isinstance(permissions, list) else set[str]()
        return replace(found, token=replace(found.token, scopes=found.token.scopes | listed))


class GoogleIdTokens(SignedTokens):
    """Google has no access tokens for others' resources: what a program shows is an ID token for one of our clients."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.trusted.issuer, self.trusted.issuer.partition("://")[2])

    def read(self, verified: Verified, audiences: Collection[str], now: float) -> Found:
        said = verified.claims.get("iss")
        issuer = said if isinstance(said, str) and said in self.names else self.trusted.issuer
        token = read_foreign_token(
            verified.header, verified.claims, issuer=issuer, audiences=audiences, now=now, id_tokens=True
        )
        return self._found(replace(token, issuer=self.trusted.issuer, scopes=frozenset()))


class EntraTokens(SignedTokens):
    """Of one tenant or a list of them, in both versions. A person is (tenant, object id)."""

    def __init__(self, trusted: TrustedIssuer, keys: IssuerKeys) -> None:
        super().__init__(trusted, keys)
        self._authority = trusted.authority
        self._tenants = frozenset(trusted.accepted_tenants)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(
            entra.expected_issuer({"ver": version}, tenant, self._authority)
            for tenant in sorted(self._tenants)
            for version in ("2.0", "1.0")
        )

    def read(self, verified: Verified, audiences: Collection[str], now: float) -> Found:
        claims = verified.claims
        try:
            tenant = entra.tenant_of(claims, self._tenants)
            entra.check_key_issuer(verified.key_issuer, tenant, self._authority)
            person = entra.object_id(claims)
        except JwtError as error:
            raise InvalidIssuer(
                "The access token is of another tenant, or does not say of which.",
                action="Sign in with an account of the organisation that this server is for.",
                detail=str(error),
            ) from error
        issuer = entra.expected_issuer(claims, tenant, self._authority)
        token = read_foreign_token(verified.header, claims, issuer=issuer, audiences=audiences, now=now)
        if not token.client_id:  # `azp` or `appid`: an access token of Entra always says for which program it was made
            raise InvalidToken("This is an ID token, and not an access token.", action="Send the access token.")
        token = replace(token, issuer=entra.issuer_of(self._authority, tenant), subject=person)
        return self._found(token, email=plain_email(text_of(claims, "email")) if entra.is_email_owned(claims) else "")


def signed_tokens(trusted: TrustedIssuer, keys: IssuerKeys) -> SignedTokens:
    """The reader that goes with the issuer's kind."""
    kinds: Mapping[str, type[SignedTokens]] = {"entra": EntraTokens, "auth0": Auth0Tokens, "google": GoogleIdTokens}
    return kinds.get(trusted.kind, SignedTokens)(trusted, keys)
