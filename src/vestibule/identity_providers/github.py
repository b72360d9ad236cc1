"""GitHub: OAuth without OpenID Connect, by an OAuth app or a GitHub App.

There is no ID token, no nonce and no discovery: state and PKCE bind the answer to this sign-in, and who it is comes
from the API with the token that only this exchange brought. The tokens of an OAuth app do not end; those of a GitHub
App do, and are refreshed.
Source: docs.github.com, "Authorizing OAuth apps"; "Refreshing user access tokens"; REST API, "Users".
"""

import base64
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from vestibule.errors import FetchError
from vestibule.identity_providers import token_endpoint
from vestibule.identity_providers.authentication import ClientSecret
from vestibule.identity_providers.failures import Failures
from vestibule.identity_providers.oidc import RoleRules
from vestibule.model import Identity, ProviderTokens, Secret, SignedIn
from vestibule.oauth_client.authorization_code import authorization_url, code_form, refresh_form
from vestibule.oauth_client.refusals import Meaning, Refused, meaning_of
from vestibule.oauth_client.token_answer import AnswerError, TokenAnswer
from vestibule.ports import Clock, HttpAnswer, HttpClient, SignInRequest
from vestibule.protocol.claims import text_of
from vestibule.protocol.github import UnreadablePerson, email_of, organizations_of, subject_of, teams_of
from vestibule.protocol.json_body import UnreadableJson, read_list, read_object
from vestibule.protocol.registration import clean_name

PAGE = 100  # the most that GitHub gives at once
MAX_PAGES = 10

_ERRORS: Mapping[str, Refused] = {
    "bad_verification_code": Refused(Meaning.GRANT, "the code was used, or is older than 10 minutes"),
    "bad_refresh_token": Refused(Meaning.GRANT, "the refresh token was used, or is older than 6 months"),
    "incorrect_client_credentials": Refused(Meaning.OPERATOR, "check client_id and client_secret"),
    "redirect_uri_mismatch": Refused(Meaning.OPERATOR, "register <public_url>/callback/<name> as callback URL"),
    "application_suspended": Refused(Meaning.OPERATOR, "GitHub has suspended the application"),
    "unverified_user_email": Refused(Meaning.DENIED, "the person's primary address at GitHub is not verified"),
}


class GitHubProvider:
    """GitHub, or a GitHub Enterprise server."""

    def __init__(
        self,
        *,
        name: str,
        title: str,
        base_url: str,
        api_url: str,
        client_id: str,
        client_secret: Secret,
        scopes: Sequence[str],
        organizations: Sequence[str],
        teams: Sequence[str],
        memberships: Collection[str],
        roles: RoleRules,
        http: HttpClient,
        clock: Clock,
    ) -> None:
        """`organizations`, `teams` (organisation/team): in lower case; when both are empty, everybody may come in.

        `memberships`: which of the two are asked for.
        """
        self.name = name
        self.title = title
        self._base_url = base_url
        self._api_url = api_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._authentication = ClientSecret(client_id, client_secret, in_body=True)
        self._scopes = scopes
        self._organizations = frozenset(organizations)
        self._teams = frozenset(teams)
        self._memberships = memberships
        self._roles = roles
        self._http = http
        self._clock = clock
        self._failures = Failures(name, title)

    async def begin(self, request: SignInRequest) -> str:
        return authorization_url(
            f"{self._base_url}/login/oauth/authorize",
            client_id=self._client_id,
            redirect_uri=request.callback_url,
            scopes=self._scopes,
            state=request.state,
            code_verifier=request.code_verifier,
            extra=_asked_by_client(request),
        )

    async def finish(self, answer: Mapping[str, str], request: SignInRequest) -> SignedIn:
        self._check_answer(answer, request)
        form = code_form(code=answer["code"], redirect_uri=request.callback_url, code_verifier=request.code_verifier)
        try:
            tokens = await self._ask(form)
            claims = await self._person(tokens.access_token)
            subject = subject_of(claims)
        except FetchError as error:
            raise self._failures.unavailable(error.detail or error.message) from error
        except AnswerError as error:
            raise self._failures.of_sign_in(_understand(error.error), str(error)) from error
        except (UnreadableJson, UnreadablePerson) as error:
            raise self._failures.not_acceptable(f"API: {error}") from error
        self._check_membership(claims)
        identity = Identity(
            issuer=self._base_url,
            subject=subject,
            provider=self.name,
            name=clean_name(text_of(claims, "name") or text_of(claims, "login")),
            email=clean_name(text_of(claims, "verified_email")),
            roles=self._roles.roles(claims),
            claims=claims,
        )
        return SignedIn(identity, token_endpoint.to_keep(self.name, tokens, now=self._clock(), asked=self._scopes))

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        if tokens.expires_at is None:
            return tokens  # an OAuth app's: it ends when somebody revokes it, and nothing renews it then
        if not tokens.refresh_token:
            raise self._failures.sign_in_needed("there is no refresh token")
        try:
            answer = await self._ask(refresh_form(refresh_token=tokens.refresh_token))
        except FetchError as error:
            raise self._failures.unavailable(error.detail or error.message) from error
        except AnswerError as error:
            raise self._failures.of_refresh(_understand(error.error), str(error)) from error
        return token_endpoint.to_keep(self.name, answer, now=self._clock(), asked=self._scopes, old=tokens)

    async def revoke(self, tokens: ProviderTokens) -> None:
        """REST API, "Delete an app token": an endpoint of GitHub's own."""
        pair = base64.b64encode(f"{self._client_id}:{self._client_secret.reveal()}".encode()).decode()
        with suppress(FetchError):
            await self._http.send_json(
                "DELETE",
                f"{self._api_url}/applications/{self._client_id}/token",
                {"access_token": tokens.access_token},
                headers={**_API_HEADERS, "Authorization": f"Basic {pair}"},
            )

    async def ping(self) -> None:
        try:
            answer = await self._http.get(f"{self._api_url}/meta", headers=_API_HEADERS)
        except FetchError as error:
            raise self._failures.unavailable(error.detail or error.message) from error
        if answer.status >= 500:
            raise self._failures.unavailable(f"/meta answered {answer.status}")

    # --- the steps --------------------------------------------------------------------------------------------------

    def _check_answer(self, answer: Mapping[str, str], request: SignInRequest) -> None:
        if answer.get("iss") not in (None, self._base_url, f"{self._base_url}/login/oauth"):
            raise self._failures.not_acceptable(f"the answer's iss is {answer['iss'][:200]!r}")
        if error := answer.get("error"):
            told = f"error {error[:100]!r} {answer.get('error_description', '')[:300]!r}"
            raise self._failures.of_sign_in(_understand(error), told)
        if not answer.get("code"):
            raise self._failures.not_acceptable("the answer has no code")
        if request.max_age is not None:
            raise self._failures.denied("max_age was asked for, and GitHub does not say when somebody signed in")

    async def _ask(self, form: Mapping[str, str]) -> TokenAnswer:
        """GitHub answers 200 to everything, and says in the body whether it went wrong."""
        endpoint = f"{self._base_url}/login/oauth/access_token"
        return await token_endpoint.ask(self._http, self._authentication, endpoint, form, auth_methods=())

    async def _person(self, token: str) -> dict[str, Any]:
        """What the API says, as claims: those of /user, `verified_email`, `organizations` and `teams`."""
        claims = read_object((await self._get("/user", token)).body)
        for ours in ("verified_email", "organizations", "teams"):
            claims.pop(ours, None)
        claims["verified_email"] = email_of(await self._list("/user/emails", token, may_be_closed=True))
        if "organizations" in self._memberships:
            claims["organizations"] = list(organizations_of(await self._list("/user/orgs", token)))
        if "teams" in self._memberships:
            claims["teams"] = list(teams_of(await self._list("/user/teams", token)))
        return claims

    def _check_membership(self, claims: Mapping[str, Any]) -> None:
        if not self._organizations and not self._teams:
            return
        if self._organizations & set(claims.get("organizations", ())) or self._teams & set(claims.get("teams", ())):
            return
        raise self._failures.denied(
            "in none of organizations and teams (a private membership needs the scope read:org, and an organisation "
            "with third-party restrictions has to approve the application)",
            because="This GitHub account does not belong to an organisation or team that may sign in here.",
        )

    async def _list(self, path: str, token: str, *, may_be_closed: bool = False) -> list[Any]:
        """All pages. They are counted here and no `Link` is followed: the token goes nowhere else.

        `may_be_closed`: without the scope for it there is none (addresses: user:email was not granted).
        """
        found: list[Any] = []
        for number in range(1, MAX_PAGES + 1):
            answer = await self._get(f"{path}?per_page={PAGE}&page={number}", token, may_be_closed=may_be_closed)
            page = read_list(answer.body) if answer.status == 200 else []
            found += page
            if len(page) < PAGE:
                return found
        return found

    async def _get(self, path: str, token: str, *, may_be_closed: bool = False) -> HttpAnswer:
        headers = {**_API_HEADERS, "Authorization": f"Bearer {token}"}
        answer = await self._http.get(f"{self._api_url}{path}", headers=headers)
        is_closed = answer.status in (403, 404) and answer.headers.get("x-ratelimit-remaining") != "0"
        if answer.status != 200 and not (may_be_closed and is_closed):
            raise FetchError("No answer came.", detail=f"{path.partition('?')[0]} answered {answer.status}")
        return answer


_API_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


def _asked_by_client(request: SignInRequest) -> dict[str, str]:
    """GitHub knows one prompt, and `login` for a suggested account."""
    asked = {"login": request.login_hint} if request.login_hint else {}
    return {**asked, "prompt": "select_account"} if request.prompt & {"select_account", "login"} else asked


def _understand(error: str) -> Refused:
    return _ERRORS.get(error) or meaning_of(error)
