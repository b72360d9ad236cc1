"""A GitHub-shaped service: OAuth without OpenID Connect, and the four documents of the API about a person.

By itself it is correct, as far as GitHub's documents tell: codes once and with PKCE, 200 with an `error` in the body,
pages of at most 100, scopes that open what they open. `base_url` and `api_url` of the configuration are `origin` and
`api`.

    async with ScriptedGitHub(tls=…) as github:
        github.emails = [{"email": "a@example.com", "primary": True, "verified": True}]
        github.organizations = ["acme"]; github.teams = ["acme/platform"]
        github.expires = True                 # a GitHub App: eight hours, with a refresh token
        github.granted = ["user:email"]       # less than was asked for
        github.rate_limited = True
"""

import base64
import hashlib
import json
import secrets
import ssl
from typing import Any
from urllib.parse import urlencode

from vestibule.testing.scripted_http import Answer, ReceivedRequest, ScriptedServer
from vestibule.testing.signing_key import encode


class ScriptedGitHub(ScriptedServer):
    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.client_id = "Iv1.8a61f9b3a7aba766"
        self.client_secret = "gateway-secret-of-tests"  # noqa: S105
        self.user: dict[str, Any] = {"id": 583231, "login": "octocat", "name": "Alice", "email": "public@example.com"}
        self.emails: list[dict[str, Any]] = [
            {"email": "old@example.net", "primary": False, "verified": True, "visibility": None},
            {"email": "alice@example.com", "primary": True, "verified": True, "visibility": "private"},
        ]
        self.organizations: list[str] = []
        self.teams: list[str] = []  # organisation/slug
        self.expires = False
        self.granted: list[str] | None = None  # instead of what was asked for
        self.rate_limited = False
        self.error = ""  # what the token endpoint says
        self.redirect: dict[str, str] = {}  # what the callback gets in place of a code
        self.of_other_apps: set[str] = set()  # tokens
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, list[str]] = {}  # the scopes of each
        self._refresh_tokens: dict[str, list[str]] = {}

    @property
    def api(self) -> str:
        return f"{self.origin}/api/v3"

    def knows(self, token: str) -> bool:
        return token in self._tokens

    def asked(self, path: str) -> list[ReceivedRequest]:
        return [request for request in self.received if request.path == path]

    async def respond(self, request: ReceivedRequest) -> Answer:
        match request.method, request.path:
            case "GET", "/login/oauth/authorize":
                return Answer(302, b"", {"Location": self._authorize(dict(request.query))})
            case "POST", "/login/oauth/access_token":
                return self._token(dict(request.form), request.headers.get("accept", ""))
            case "POST", path if path == f"/api/v3/applications/{self.client_id}/token":
                return self._check(request)
            case "DELETE", path if path == f"/api/v3/applications/{self.client_id}/token":
                return self._delete(request)
            case "GET", "/api/v3/meta":
                return Answer(200, {"verifiable_password_authentication": False})
            case "GET", path if path.startswith("/api/v3/user"):
                return self._api(path.removeprefix("/api/v3"), request)
        return Answer(404, {"message": "Not Found"})

    def _authorize(self, query: dict[str, str]) -> str:
        answer = {"state": query.get("state", "")}
        if self.redirect:
            answer |= self.redirect
        else:
            answer["code"] = secrets.token_hex(10)
            self._codes[answer["code"]] = query
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def _token(self, form: dict[str, str], accept: str) -> Answer:
        if "application/json" not in accept:  # then GitHub answers with a form
            return Answer(200, b"error=not_json", {"Content-Type": "application/x-www-form-urlencoded"})
        if self.error:
            return _refused(self.error)
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return _refused("incorrect_client_credentials")
        if form.get("grant_type") == "refresh_token":
            scopes = self._refresh_tokens.pop(form.get("refresh_token", ""), None)
            return _refused("bad_refresh_token") if scopes is None else Answer(200, self._new_token(scopes))
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or asked.get("code_challenge") != challenge:
            return _refused("bad_verification_code")
        if asked["redirect_uri"] != form.get("redirect_uri"):
            return _refused("redirect_uri_mismatch")
        scopes = self.granted if self.granted is not None else asked.get("scope", "").split()
        return Answer(200, self._new_token(scopes))

    def _new_token(self, scopes: list[str]) -> dict[str, Any]:
        token = f"{'ghu' if self.expires else 'gho'}_{secrets.token_hex(18)}"
        self._tokens[token] = scopes
        answer: dict[str, Any] = {"access_token": token, "token_type": "bearer", "scope": ",".join(scopes)}
        if self.expires:
            refresh_token = f"ghr_{secrets.token_hex(38)}"
            self._refresh_tokens[refresh_token] = scopes
            answer |= {"expires_in": 28800, "refresh_token": refresh_token, "refresh_token_expires_in": 15811200}
        return answer

    def _api(self, path: str, request: ReceivedRequest) -> Answer:
        scopes = self._tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scopes is None:
            return Answer(401, {"message": "Bad credentials"})
        if self.rate_limited:
            return Answer(403, {"message": "API rate limit exceeded"}, {"X-RateLimit-Remaining": "0"})
        match path:
            case "/user":
                return Answer(200, self.user)
            case "/user/emails":
                if not {"user", "user:email"} & set(scopes):
                    return Answer(404, {"message": "Not Found"})
                return self._page(self.emails, request)
            case "/user/orgs":
                shown = self.organizations if "read:org" in scopes else []
                return self._page([{"login": one, "id": 1} for one in shown], request)
            case "/user/teams":
                if "read:org" not in scopes:
                    return Answer(403, {"message": "Resource not accessible"})
                pairs = [one.partition("/") for one in self.teams]
                return self._page([{"slug": slug, "organization": {"login": org}} for org, _, slug in pairs], request)
        return Answer(404, {"message": "Not Found"})

    def _page(self, items: list[Any], request: ReceivedRequest) -> Answer:
        size = min(int(request.query.get("per_page", "30")), 100)
        number = int(request.query.get("page", "1"))
        page = items[(number - 1) * size : number * size]
        more = number * size < len(items)
        url = f"{self.origin}{request.path}?per_page={size}&page={number + 1}"
        return Answer(200, page, {"Link": f'<{url}>; rel="next"'} if more else {})

    def _is_our_app(self, request: ReceivedRequest) -> bool:
        pair = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return request.headers.get("authorization") == f"Basic {pair}"

    def _check(self, request: ReceivedRequest) -> Answer:
        """Only the application whose token it is learns whose it is."""
        token = json.loads(request.body).get("access_token", "")
        if not self._is_our_app(request) or token not in self._tokens or token in self.of_other_apps:
            return Answer(404, {"message": "Not Found"})
        app = {"name": "Gateway", "client_id": self.client_id, "url": self.origin}
        return Answer(200, {"token": token, "app": app, "user": self.user, "scopes": self._tokens[token]})

    def give_token(self, *scopes: str, of_other_app: bool = False) -> str:
        """As if somebody had signed in to an application: this one, or another."""
        token = str(self._new_token(list(scopes))["access_token"])
        if of_other_app:
            self.of_other_apps.add(token)
        return token

    def _delete(self, request: ReceivedRequest) -> Answer:
        if not self._is_our_app(request):
            return Answer(404, {"message": "Not Found"})
        known = self._tokens.pop(json.loads(request.body).get("access_token", ""), None)
        return Answer(204, b"") if known is not None else Answer(404, {"message": "Not Found"})


def _refused(error: str) -> Answer:
    """Always 200."""
    return Answer(200, {"error": error, "error_description": f"About {error}.", "error_uri": "https://docs.github.com"})
