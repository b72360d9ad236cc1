"""Any OpenID provider, by discovery: authorization code with PKCE, a nonce, and a verified ID token.

Nothing of the MCP client's request is passed on but what OpenID Connect has a parameter for: its `resource` stays here
(Entra v2 refuses a foreign one: AADSTS9010010). The base of all kinds that speak OpenID Connect; what such a kind
may say differently are the methods under "what a kind may change".
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vestibule.errors import FetchError, IdentityProviderUnavailable
from vestibule.identity_providers import token_endpoint
from vestibule.identity_providers.authentication import ClientAuthentication
from vestibule.identity_providers.failures import Failures
from vestibule.model import Identity, ProviderTokens, SignedIn
from vestibule.oauth_client.authorization_code import authorization_url, code_form, refresh_form, revocation_form
from vestibule.oauth_client.refusals import Refused, meaning_of
from vestibule.oauth_client.token_answer import AnswerError, TokenAnswer
from vestibule.ports import Clock, HttpClient, IssuerDocuments, IssuerMetadata, SignInRequest
from vestibule.protocol import jwt
from vestibule.protocol.claims import roles_from, text_of, verified_email
from vestibule.protocol.id_token import check_id_token
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.registration import clean_name


@dataclass(frozen=True, slots=True)
class RoleRules:
    """Which claims become roles, and what they are called then."""

    claims: tuple[str, ...] = ()  # dotted paths
    names: Mapping[str, str] | None = None

    def roles(self, claims: Mapping[str, Any]) -> frozenset[str]:
        return roles_from(claims, self.claims, self.names or {})

    def use(self, claim: str) -> bool:
        return claim in self.claims


class OidcProvider:
    """One OpenID provider of the configuration."""

    def __init__(
        self,
        *,
        name: str,
        title: str,
        issuer: str,
        client_id: str,
        authentication: ClientAuthentication,
        scopes: Sequence[str],
        roles: RoleRules,
        documents: IssuerDocuments,
        http: HttpClient,
        clock: Clock,
        parameters: Mapping[str, str] | None = None,
        asks_userinfo: bool = False,
    ) -> None:
        """`parameters`: more of the authorization request. `asks_userinfo`: for providers with thin ID tokens."""
        self.name = name
        self.title = title
        self._issuer = issuer
        self._client_id = client_id
        self._authentication = authentication
        self._scopes = scopes
        self._roles = roles
        self._documents = documents
        self._http = http
        self._clock = clock
        self._parameters = parameters or {}
        self._asks_userinfo = asks_userinfo
        self._failures = Failures(name, title)

    async def begin(self, request: SignInRequest) -> str:
        metadata = await self._discover()
        return authorization_url(
            metadata.authorization_endpoint,
            client_id=self._client_id,
            redirect_uri=request.callback_url,
            scopes=self._scopes,
            state=request.state,
            nonce=request.nonce,
            code_verifier=request.code_verifier,
            extra={**self._parameters, **_asked_by_client(request, self.prompt_for(request.prompt))},
        )

    async def finish(self, answer: Mapping[str, str], request: SignInRequest) -> SignedIn:
        metadata = await self._discover()
        self._check_answer(answer, metadata)
        form = code_form(code=answer["code"], redirect_uri=request.callback_url, code_verifier=request.code_verifier)
        try:
            tokens = await self._ask(metadata, form)
            if not tokens.id_token:
                raise AnswerError("the answer has no id_token")
            verified = await self._documents.verified(tokens.id_token)
            self._check_claims(verified, request)
        except FetchError as error:
            raise self._failures.unavailable(_reason(error)) from error
        except AnswerError as error:
            raise self._failures.of_sign_in(self.understand(error), str(error)) from error
        except jwt.JwtError as error:
            raise self._failures.not_acceptable(str(error)) from error
        identity = await self.identify(await self._with_userinfo(verified.claims, tokens, metadata), tokens)
        kept = token_endpoint.to_keep(self.name, tokens, now=self._clock(), asked=self._scopes)
        return SignedIn(identity, kept)

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        if not tokens.refresh_token:
            raise self._failures.sign_in_needed("there is no refresh token; is offline_access among the scopes?")
        metadata = await self._discover()
        try:
            answer = await self._ask(metadata, refresh_form(refresh_token=tokens.refresh_token))
        except FetchError as error:
            raise self._failures.unavailable(_reason(error)) from error
        except AnswerError as error:
            raise self._failures.of_refresh(self.understand(error), str(error)) from error
        return token_endpoint.to_keep(self.name, answer, now=self._clock(), asked=self._scopes, old=tokens)

    async def revoke(self, tokens: ProviderTokens) -> None:
        """RFC 7009, where the provider has such an endpoint. A refresh token takes its access tokens with it (§2.1)."""
        token, hint = (tokens.refresh_token, "refresh_token") if tokens.refresh_token else (tokens.access_token, "")
        with suppress(FetchError, IdentityProviderUnavailable):
            metadata = await self._discover()
            if metadata.revocation_endpoint:
                await token_endpoint.post(
                    self._http,
                    self._authentication,
                    metadata.revocation_endpoint,
                    revocation_form(token=token, hint=hint or "access_token"),
                    auth_methods=metadata.auth_methods,
                )

    async def ping(self) -> None:
        await self._discover()

    # --- what a kind may change -------------------------------------------------------------------------------------

    def prompt_for(self, asked: frozenset[str]) -> str:
        """How `prompt` is written; empty: left out."""
        return " ".join(sorted(asked))

    def is_own_issuer(self, issuer: str) -> bool:
        """Whether an answer at the callback may name this issuer (RFC 9207)."""
        return issuer == self._issuer

    def issuer_for(self, verified: jwt.Verified) -> str:
        """What `iss` must be in this token. Raises `JwtError`."""
        return self._issuer

    def check_person(self, claims: Mapping[str, Any]) -> None:
        """Raise `AccessDenied` for a person who is well known to the provider, but not for us."""

    async def identify(self, claims: Mapping[str, Any], tokens: TokenAnswer) -> Identity:
        """Who the verified claims are about."""
        email = verified_email(claims)
        return Identity(
            issuer=self._issuer,
            subject=claims["sub"],
            provider=self.name,
            name=clean_name(text_of(claims, "name") or text_of(claims, "preferred_username") or email),
            email=email,
            roles=self._roles.roles(claims),
            claims=claims,
        )

    def understand(self, error: AnswerError) -> Refused:
        """What a refusal of the token endpoint means."""
        return meaning_of(error.error)

    def understand_callback(self, answer: Mapping[str, str]) -> Refused:
        """What an `error` at the callback means."""
        return meaning_of(answer["error"])

    # --- the steps --------------------------------------------------------------------------------------------------

    def _check_answer(self, answer: Mapping[str, str], metadata: IssuerMetadata) -> None:
        """RFC 9207 §2.4 comes first: an answer of another issuer is not even an error of this one."""
        if answer.get("iss") is None and metadata.sends_iss:
            raise self._failures.not_acceptable("the answer has no iss, though the provider sends it")
        if answer.get("iss") is not None and not self.is_own_issuer(answer["iss"]):
            raise self._failures.not_acceptable(f"the answer's iss is {answer['iss'][:200]!r}")
        if error := answer.get("error"):
            told = f"error {error[:100]!r} {answer.get('error_description', '')[:300]!r}"
            raise self._failures.of_sign_in(self.understand_callback(answer), told)
        if not answer.get("code"):
            raise self._failures.not_acceptable("the answer has no code")

    async def _ask(self, metadata: IssuerMetadata, form: Mapping[str, str]) -> TokenAnswer:
        return await token_endpoint.ask(
            self._http, self._authentication, metadata.token_endpoint, form, auth_methods=metadata.auth_methods
        )

    def _check_claims(self, verified: jwt.Verified, request: SignInRequest) -> None:
        check_id_token(
            verified.claims,
            issuer=self.issuer_for(verified),
            client_id=self._client_id,
            nonce=request.nonce,
            now=int(self._clock().timestamp()),
            max_age=request.max_age,
        )
        self.check_person(verified.claims)

    async def _with_userinfo(
        self, claims: Mapping[str, Any], tokens: TokenAnswer, metadata: IssuerMetadata
    ) -> Mapping[str, Any]:
        """OpenID Connect Core §5.3: what the ID token says stands, and only its own subject may add to it."""
        if not self._asks_userinfo:
            return claims
        if not metadata.userinfo_endpoint:
            raise self._failures.not_acceptable("userinfo is configured, and the provider has no userinfo_endpoint")
        headers = {"Authorization": f"Bearer {tokens.access_token}"}
        try:
            answer = await self._http.get(metadata.userinfo_endpoint, headers=headers)
            if answer.status != 200:
                raise FetchError("No answer came.", detail=f"userinfo answered {answer.status}")
            more = read_object(answer.body)
        except FetchError as error:
            raise self._failures.unavailable(_reason(error)) from error
        except UnreadableJson as error:
            raise self._failures.not_acceptable(f"userinfo: {error}") from error
        if more.get("sub") != claims["sub"]:
            raise self._failures.not_acceptable("userinfo is about somebody else (sub)")
        if "email" in claims or "email_verified" in claims:  # one source for an address and whether it is verified
            more = {name: value for name, value in more.items() if name not in ("email", "email_verified")}
        return {**more, **claims}

    async def _discover(self) -> IssuerMetadata:
        try:
            return await self._documents.metadata()
        except FetchError as error:
            raise self._failures.unavailable(_reason(error)) from error


def _asked_by_client(request: SignInRequest, prompt: str) -> dict[str, str]:
    """What the MCP client may ask of the provider through us (OpenID Connect Core §3.1.2.1)."""
    asked = {"prompt": prompt} if prompt else {}
    if request.login_hint:
        asked["login_hint"] = request.login_hint
    if request.max_age is not None:
        asked["max_age"] = str(request.max_age)
    return asked


def _reason(error: FetchError) -> str:
    return error.detail or error.message
