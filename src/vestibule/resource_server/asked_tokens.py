"""Tokens that say nothing to us: their issuer is asked about each, and must say that it is for us.

That a token opens an issuer's API proves nothing here: any program's token does that, also one that somebody has from
a person who signed in to something else (the confused deputy). So every kind asks for which program it was made.
"""

import asyncio
import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from vestibule.errors import (
    FetchError,
    IdentityProviderUnavailable,
    InvalidAudience,
    InvalidIssuer,
    InvalidToken,
    VestibuleError,
)
from vestibule.model import Identity, Secret, TrustedIssuer
from vestibule.oauth_client.client_authentication import with_secret
from vestibule.ports import HttpAnswer, HttpClient, IssuerDocuments
from vestibule.protocol import foreign_token as rules
from vestibule.protocol.claims import plain_email, text_of, verified_email
from vestibule.protocol.foreign_token import ForeignToken
from vestibule.protocol.github import UnreadablePerson, email_of, subject_of
from vestibule.protocol.json_body import UnreadableJson, read_list, read_object
from vestibule.protocol.registration import clean_name
from vestibule.resource_server.signed_tokens import Found

AT_ONCE = 20  # questions to one issuer; the next one waits
USUAL_LIFETIME = 3600  # seconds; of a token that does not end, until we want to see it again
_PROGRAM = "client:"
_GOOGLE_API = "https://oauth2.googleapis.com"
_GITHUB = "https://github.com"
_GITHUB_API = "https://api.github.com"
_GITHUB_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


class AskedTokens(Protocol):
    """Tokens of one issuer that must be asked."""

    @property
    def trusted(self) -> TrustedIssuer: ...

    @property
    def prefixes(self) -> tuple[str, ...]:
        """How its tokens begin; empty: it cannot be told."""

    async def verify(self, token: str, audiences: Collection[str], now: float) -> Found:
        """Raises a `Refusal`; `IdentityProviderUnavailable` when the issuer gives no answer."""


@dataclass(slots=True)
class _Line:
    """The way to one issuer: a few questions at once, and no answer is one error."""

    trusted: TrustedIssuer
    places: asyncio.Semaphore

    async def ask(self, question: Any) -> HttpAnswer:
        """`question`: a coroutine that sends it."""
        async with self.places:
            try:
                answer: HttpAnswer = await question
            except FetchError as error:
                raise self.unavailable(error.detail or error.message) from error
        if answer.status >= 500 or answer.status == 429:
            raise self.unavailable(f"it answered {answer.status}")
        return answer

    def read(self, answer: HttpAnswer) -> dict[str, Any]:
        try:
            return read_object(answer.body)
        except UnreadableJson as error:
            raise self.unavailable(f"its answer cannot be read: {error}") from error

    def unavailable(self, detail: str) -> VestibuleError:
        return IdentityProviderUnavailable(
            "Whoever gave this token cannot be asked about it right now.",
            action="Try again in a minute.",
            detail=f"{self.trusted.name}: {detail}",
        )


def _line(trusted: TrustedIssuer) -> _Line:
    return _Line(trusted, asyncio.Semaphore(AT_ONCE))


class IntrospectedTokens:
    """RFC 7662, with our own client's credentials."""

    prefixes: tuple[str, ...] = ()

    def __init__(self, trusted: TrustedIssuer, http: HttpClient, documents: IssuerDocuments) -> None:
        self.trusted = trusted
        self._http = http
        self._documents = documents
        self._line = _line(trusted)

    async def verify(self, token: str, audiences: Collection[str], now: float) -> Found:
        form, headers = with_secret(
            {"token": token, "token_type_hint": "access_token"},
            client_id=self.trusted.client_id,
            client_secret=self.trusted.client_secret or Secret(""),
            auth_methods=("client_secret_basic",),
        )
        answer = await self._line.ask(self._http.post_form(await self._endpoint(), form, headers=headers))
        if answer.status != 200:  # 401: our own credentials are wrong, which is not the caller's fault
            raise self._line.unavailable(f"introspection answered {answer.status}")
        claims = self._line.read(answer)
        if claims.get("active") is not True:
            raise _refused("The access token is not active.")
        return self._read(claims, audiences, now)

    def _read(self, claims: Mapping[str, Any], audiences: Collection[str], now: float) -> Found:
        issuer = self.trusted.issuer
        if claims.get("iss", issuer) != issuer:
            raise InvalidIssuer("The access token is from another issuer.", detail=f"iss is {claims['iss']!r}"[:300])
        rules.check_said_kind(claims, ("typ", "token_use", "token_type"))  # issuers tell of refresh tokens, too
        rules.check_audience(claims, audiences)
        timed = claims if "exp" in claims else {**claims, "exp": int(now) + USUAL_LIFETIME}
        expires_at, issued_at = rules.check_times(timed, now=now)
        token = ForeignToken(
            issuer=issuer,
            subject=_whose(claims),
            client_id=rules.client_of(claims),
            scopes=rules.scopes_of(claims),
            roles=frozenset(),
            expires_at=expires_at,
            issued_at=issued_at,
            key_thumbprint=rules.key_of(claims),
            token_id=rules.text(claims, "jti"),
            claims=claims,
        )
        return Found(token, _identity(self.trusted, token, email=verified_email(claims)))

    async def _endpoint(self) -> str:
        if self.trusted.introspection_endpoint:
            return self.trusted.introspection_endpoint
        try:
            endpoint = (await self._documents.metadata()).introspection_endpoint
        except FetchError as error:
            raise self._line.unavailable(error.detail or error.message) from error
        if not endpoint:
            raise self._line.unavailable("its metadata names no introspection_endpoint")
        return endpoint


class GoogleAccessTokens:
    """Google's access tokens are for Google: tokeninfo says for which program, which must be one of `audiences`.

    Source: developers.google.com/identity/protocols/oauth2, "Validate an access token"; google-auth-library for how it
    is asked without the token in a URL.
    """

    prefixes: tuple[str, ...] = ("ya29.",)

    def __init__(self, trusted: TrustedIssuer, http: HttpClient) -> None:
        self.trusted = trusted
        self._http = http
        self._url = f"{trusted.api_url or _GOOGLE_API}/tokeninfo"
        self._line = _line(trusted)

    async def verify(self, token: str, audiences: Collection[str], now: float) -> Found:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self._line.ask(self._http.post_form(self._url, {}, headers=headers))
        if answer.status != 200:
            raise _refused("Google does not know the access token, or it has expired.")
        info = self._line.read(answer)
        rules.check_audience(info, audiences)
        if info.get("azp", info["aud"]) not in audiences:
            raise InvalidAudience(
                "The access token is for another application.", detail=f"azp is {info['azp']!r}"[:300]
            )
        expires_at, _ = rules.check_times({"exp": _number(info.get("exp"))}, now=now)
        found = ForeignToken(
            issuer=self.trusted.issuer,
            subject=rules.subject_of(info),
            client_id=rules.client_of(info),
            scopes=frozenset(),  # Google's own, which mean nothing here
            roles=frozenset(),
            expires_at=expires_at,
            issued_at=0,
            claims=info,
        )
        is_verified = info.get("email_verified") in (True, "true")  # tokeninfo writes every value as a text
        email = plain_email(text_of(info, "email")) if is_verified else ""
        return Found(found, _identity(self.trusted, found, email=email))


class GitHubTokens:
    """GitHub's tokens of one application, whose credentials we have; or of any, if the operator says so.

    Source: docs.github.com, REST API, "Check a token"; "Get the authenticated user".
    """

    prefixes: tuple[str, ...] = ("gho_", "ghu_", "ghp_", "github_pat_")

    def __init__(self, trusted: TrustedIssuer, http: HttpClient) -> None:
        self.trusted = trusted
        self._http = http
        self._url = trusted.api_url or (_GITHUB_API if trusted.issuer == _GITHUB else f"{trusted.issuer}/api/v3")
        self._line = _line(trusted)

    async def verify(self, token: str, audiences: Collection[str], now: float) -> Found:
        user, expires_at, client_id = await (self._any(token) if self.trusted.any_app else self._of_our_app(token))
        try:
            subject = subject_of(user)
        except UnreadablePerson as error:
            raise self._line.unavailable(str(error)) from error
        found = ForeignToken(
            issuer=self.trusted.issuer,
            subject=subject,
            client_id=client_id,
            scopes=frozenset(),  # GitHub's own, which mean nothing here
            roles=frozenset(),
            expires_at=min(expires_at or int(now) + USUAL_LIFETIME, int(now) + USUAL_LIFETIME),
            issued_at=0,
            claims=user,
        )
        rules.check_times({"exp": expires_at or found.expires_at}, now=now)
        email = await self._email(token)
        return Found(found, _identity(self.trusted, found, email=email, name=text_of(user, "login")))

    async def _of_our_app(self, token: str) -> tuple[Mapping[str, Any], int, str]:
        """Whose token of our own application it is. GitHub answers 404 for one of any other."""
        client_id, secret = self.trusted.client_id, self.trusted.client_secret or Secret("")
        pair = base64.b64encode(f"{client_id}:{secret.reveal()}".encode()).decode()
        url = f"{self._url}/applications/{quote(client_id, safe='')}/token"
        headers = {**_GITHUB_HEADERS, "Authorization": f"Basic {pair}"}
        answer = await self._line.ask(self._http.send_json("POST", url, {"access_token": token}, headers=headers))
        if answer.status in (404, 422):
            raise InvalidAudience("The token is not one of this server's GitHub application.", action="Sign in again.")
        if answer.status != 200:
            raise self._line.unavailable(f"{url} answered {answer.status}: client_id and client_secret?")
        document = self._line.read(answer)
        app, user = document.get("app"), document.get("user")
        if not isinstance(app, dict) or app.get("client_id") != client_id or not isinstance(user, dict):
            raise InvalidAudience("The token is not one of this server's GitHub application.", action="Sign in again.")
        return user, _moment(document.get("expires_at")), client_id

    async def _any(self, token: str) -> tuple[Mapping[str, Any], int, str]:
        answer = await self._line.ask(self._http.get(f"{self._url}/user", headers=_as(token)))
        if answer.status == 401:
            raise _refused("GitHub does not know the token.")
        if answer.status != 200:  # 403: we have asked too often
            raise self._line.unavailable(f"/user answered {answer.status}")
        return self._line.read(answer), _moment(answer.headers.get("github-authentication-token-expiration")), ""

    async def _email(self, token: str) -> str:
        """The verified, primary address, where the token opens it; it is for tenants and says not who somebody is."""
        answer = await self._line.ask(self._http.get(f"{self._url}/user/emails", headers=_as(token)))
        try:
            return email_of(read_list(answer.body)) if answer.status == 200 else ""
        except UnreadableJson:
            return ""


def asked_tokens(trusted: TrustedIssuer, http: HttpClient, documents: IssuerDocuments) -> AskedTokens:
    match trusted.kind:
        case "google":
            return GoogleAccessTokens(trusted, http)
        case "github":
            return GitHubTokens(trusted, http)
        case _:
            return IntrospectedTokens(trusted, http, documents)


def _identity(trusted: TrustedIssuer, token: ForeignToken, *, email: str, name: str = "") -> Identity:
    return Identity(
        issuer=token.issuer,
        subject=token.subject,
        provider=trusted.name,
        name=clean_name(text_of(token.claims, "name") or name or email),
        email=email,
        claims=token.claims,
    )


def _whose(claims: Mapping[str, Any]) -> str:
    """A program's own token need not have a `sub` (RFC 7662 §2.2): then it is the program, under a name that no
    person may have."""
    if "sub" not in claims and (client_id := rules.client_of(claims)):
        return f"{_PROGRAM}{client_id}"
    subject = rules.subject_of(claims)
    if subject.startswith(_PROGRAM):
        raise _refused("The access token does not say whose it is.")
    return subject


def _as(token: str) -> Mapping[str, str]:
    return {**_GITHUB_HEADERS, "Authorization": f"Bearer {token}"}


def _refused(message: str) -> InvalidToken:
    return InvalidToken(message, action="Sign in again.")


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 13 else value


def _moment(value: object) -> int:
    """Seconds since the epoch of what GitHub writes as 2026-11-21T10:00:00Z or `2026-11-21 10:00:00 UTC`; 0: never."""
    if not isinstance(value, str) or not value:
        return 0
    try:
        return int(datetime.fromisoformat(value.replace(" UTC", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        return 1  # it ends, and we cannot tell when: then it has
