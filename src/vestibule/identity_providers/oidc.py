"""Any OpenID provider, by discovery: authorization code with PKCE, a nonce, and a verified ID token.

Nothing of the MCP client's request is passed on (Entra v2 refuses a foreign `resource`: AADSTS9010010). Discovery is
kept for an hour and keys for as long; an unknown `kid` allows one fresh look at the keys, no more than one a minute.
While the provider is down, what was last read keeps serving.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from vestibule.errors import AccessDenied, FetchError, IdentityProviderUnavailable, PageError, ProviderSignInNeeded
from vestibule.model import Identity, ProviderTokens, Secret, SignedIn
from vestibule.oauth_client.authorization_code import (
    AnswerError,
    TokenAnswer,
    authorization_url,
    read_token_answer,
    token_request,
)
from vestibule.oauth_client.discovery import MetadataError, ProviderMetadata, metadata_url, read_metadata
from vestibule.ports import Clock, HttpAnswer, HttpClient, SignInRequest
from vestibule.protocol import jwt
from vestibule.protocol.id_token import check_id_token
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.registration import clean_name

KEEP = timedelta(hours=1)
REFETCH_COOLDOWN = timedelta(minutes=1)
MAX_CLAIM = 1024  # characters of a claim that is kept

_START_AGAIN = "Go back to the application and start again."


class OidcProvider:
    """One OpenID provider of the configuration."""

    def __init__(
        self,
        *,
        name: str,
        title: str,
        issuer: str,
        client_id: str,
        client_secret: Secret | None,
        scopes: Sequence[str],
        http: HttpClient,
        clock: Clock,
    ) -> None:
        self.name = name
        self.title = title
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._http = http
        self._clock = clock
        self._metadata: ProviderMetadata | None = None
        self._metadata_read_at = datetime.min
        self._jwks: Mapping[str, Any] | None = None
        self._jwks_read_at = datetime.min
        self._lock = asyncio.Lock()

    async def begin(self, request: SignInRequest) -> str:
        metadata = await self._discover()
        extra = {}
        if request.prompt:
            extra["prompt"] = " ".join(sorted(request.prompt))
        if request.login_hint:
            extra["login_hint"] = request.login_hint
        if request.max_age is not None:
            extra["max_age"] = str(request.max_age)
        return authorization_url(
            metadata.authorization_endpoint,
            client_id=self._client_id,
            redirect_uri=request.callback_url,
            scopes=self._scopes,
            state=request.state,
            nonce=request.nonce,
            code_verifier=request.code_verifier,
            extra=extra,
        )

    async def finish(self, answer: Mapping[str, str], request: SignInRequest) -> SignedIn:
        metadata = await self._discover()
        self._check_answer(answer, metadata)
        tokens = await self._redeem(answer["code"], request, metadata)
        try:
            claims = await self._verified_claims(tokens.id_token, metadata)
            check_id_token(
                claims,
                issuer=self._issuer,
                client_id=self._client_id,
                nonce=request.nonce,
                now=int(self._clock().timestamp()),
                max_age=request.max_age,
            )
        except jwt.JwtError as error:
            raise self._not_acceptable(str(error)) from error
        return SignedIn(self._identity(claims), ProviderTokens(self.name, tokens.access_token, tokens.refresh_token))

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        raise ProviderSignInNeeded(f"{self.title} wants to see you again.", action="Sign in again.")

    async def revoke(self, tokens: ProviderTokens) -> None:
        """Not yet."""

    async def ping(self) -> None:
        await self._discover()

    def _check_answer(self, answer: Mapping[str, str], metadata: ProviderMetadata) -> None:
        """RFC 9207 §2.4 comes first: an answer of another issuer is not even an error of this one."""
        if answer.get("iss") is None and metadata.sends_iss:
            raise self._not_acceptable("the answer has no iss, though the provider sends it")
        if answer.get("iss") not in (None, self._issuer):
            raise self._not_acceptable(f"the answer's iss is {answer['iss'][:200]!r}")
        if error := answer.get("error"):
            if error in ("access_denied", "login_required", "consent_required", "interaction_required"):
                raise AccessDenied(f"{self.title} did not sign the person in.", detail=f"error {error[:100]!r}")
            raise self._not_acceptable(f"error {error[:100]!r}")
        if not answer.get("code"):
            raise self._not_acceptable("the answer has no code")

    async def _redeem(self, code: str, request: SignInRequest, metadata: ProviderMetadata) -> TokenAnswer:
        form, headers = token_request(
            code=code,
            redirect_uri=request.callback_url,
            code_verifier=request.code_verifier,
            client_id=self._client_id,
            client_secret=self._client_secret,
            auth_methods=metadata.auth_methods,
        )
        try:
            answer = await self._http.post_form(metadata.token_endpoint, form, headers=headers)
        except FetchError as error:
            raise self._unavailable(error.detail or error.message) from error
        if answer.status >= 500 or answer.status == 429:
            raise self._unavailable(f"token endpoint answered {answer.status}")
        try:
            return read_token_answer(answer.status, answer.body)
        except AnswerError as error:
            raise self._not_acceptable(str(error)) from error

    async def _verified_claims(self, id_token: str, metadata: ProviderMetadata) -> dict[str, Any]:
        try:
            _, claims = jwt.verify(id_token, await self._keys(metadata), algorithms=metadata.signing_algorithms)
        except jwt.UnknownKey:
            if self._clock() - self._jwks_read_at < REFETCH_COOLDOWN and self._jwks_refetched:
                raise
            keys = await self._keys(metadata, fresh=True)
            _, claims = jwt.verify(id_token, keys, algorithms=metadata.signing_algorithms)
        return claims

    _jwks_refetched = False

    async def _discover(self) -> ProviderMetadata:
        async with self._lock:
            if self._metadata is not None and self._clock() - self._metadata_read_at < KEEP:
                return self._metadata
            try:
                answer = await self._get(metadata_url(self._issuer))
                self._metadata = read_metadata(answer.body, issuer=self._issuer)
                self._metadata_read_at = self._clock()
            except (FetchError, MetadataError) as error:
                if self._metadata is None:
                    raise self._unavailable(_reason(error)) from error
            return self._metadata

    async def _keys(self, metadata: ProviderMetadata, *, fresh: bool = False) -> Mapping[str, Any]:
        async with self._lock:
            if self._jwks is not None and not fresh and self._clock() - self._jwks_read_at < KEEP:
                return self._jwks
            try:
                answer = await self._get(metadata.jwks_uri)
                self._jwks = read_object(answer.body)
                self._jwks_read_at = self._clock()
                self._jwks_refetched = fresh
            except (FetchError, UnreadableJson) as error:
                if self._jwks is None:
                    raise self._unavailable(_reason(error)) from error
            return self._jwks

    async def _get(self, url: str) -> HttpAnswer:
        answer = await self._http.get(url)
        if answer.status != 200:
            raise FetchError("The document did not come.", detail=f"{url} answered {answer.status}")
        return answer

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        # `is True`: "true", 1 and a missing claim have all been taken for verification by others (CVE-2026-41574).
        email = _text(claims, "email") if claims.get("email_verified") is True else ""
        name = _text(claims, "name") or _text(claims, "preferred_username") or email
        return Identity(
            issuer=self._issuer,
            subject=claims["sub"],
            provider=self.name,
            name=clean_name(name),
            email=clean_name(email) if email.count("@") == 1 else "",
        )

    def _not_acceptable(self, detail: str) -> PageError:
        return PageError(
            f"The answer of {self.title} could not be accepted, so nobody was signed in.",
            action=f"{_START_AGAIN} If it happens again, tell the operator the request id.",
            detail=f"{self.name}: {detail}",
            status=502,
            error="server_error",
        )

    def _unavailable(self, detail: str) -> IdentityProviderUnavailable:
        return IdentityProviderUnavailable(
            f"{self.title} cannot be reached right now.",
            action="Try again in a minute. People who are signed in already are not affected.",
            detail=f"{self.name}: {detail}",
        )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value[:MAX_CLAIM] if isinstance(value, str) else ""


def _reason(error: Exception) -> str:
    return error.detail or error.message if isinstance(error, FetchError) else str(error)
