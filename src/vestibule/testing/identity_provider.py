"""An OpenID provider that does what a test tells it to, however wrong.

By itself it is correct: discovery, keys, an authorization endpoint that signs in `subject` at once, a token endpoint
that checks the client, the single-use code and PKCE S256, refresh tokens that rotate, userinfo. `script` changes what
it says, `faults` (see `scripted_http`) how it says it, and `received` has what it was asked.

    async with ScriptedIdentityProvider() as idp:
        idp.script.id_token["aud"] = "other"              # one claim wrong
        idp.script.id_token_header["alg"] = "none"        # or "HS256": signed with the public key as the secret
        idp.script.metadata["issuer"] = "https://evil.example"
        idp.script.answers["/token"] = lambda: (500, {})  # one endpoint wrong
        idp.faults["/jwks"] = hang                        # or slow(3), garbage, cut, disconnect, huge(), drip(0.1)
        idp.rotate_key()
"""

import base64
import hashlib
import json
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote_plus, urlencode

from vestibule.protocol import jwt
from vestibule.testing.scripted_http import (
    Answer,
    Fault,
    ReceivedRequest,
    ScriptedServer,
    cut,
    disconnect,
    drip,
    garbage,
    hang,
    huge,
    slow,
)
from vestibule.testing.signing_key import SigningKey, encode, usual_key

__all__ = [
    "HOSTILE_CLAIMS",
    "ReceivedRequest",
    "Script",
    "ScriptedIdentityProvider",
    "SigningKey",
    "cut",
    "disconnect",
    "drip",
    "garbage",
    "hang",
    "huge",
    "slow",
]

StatusAndContent: TypeAlias = tuple[int, Any]  # content: JSON, or bytes as they are

HOSTILE_CLAIMS: dict[str, dict[str, Any]] = {
    "a name of 1 MB": {"name": "x" * 1_000_000},
    "a name with NUL": {"name": "Ada\x00Lovelace"},
    "a name that turns round": {"name": "\u202eecila\u2066"},
    "markup": {"name": "<script>alert(1)</script>", "picture": "javascript:alert(1)"},
    "lone surrogates": {"name": "\ud800"},
    "two at signs": {"email": "a@evil.example@corp.example"},
    "5000 groups": {"groups": [f"group-{number}" for number in range(5000)]},
    "deep": {"address": json.loads("[" * 200 + "]" * 200)},
    "other types": {"name": ["Ada"], "email": {"a": 1}, "email_verified": "true", "groups": "all"},
}
"""Claims that a hostile or broken provider may sign. Each goes into `script.id_token`."""


@dataclass
class Script:
    """What is said instead of the right thing. Members replace the right ones; None takes one out."""

    metadata: dict[str, Any] = field(default_factory=dict)  # the discovery document
    redirect: dict[str, str | None] = field(default_factory=dict)  # the parameters of the answer at the callback
    token: dict[str, Any] = field(default_factory=dict)  # the token answer
    id_token: dict[str, Any] = field(default_factory=dict)  # claims
    id_token_header: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Callable[[], StatusAndContent]] = field(default_factory=dict)  # by path: another answer


class ScriptedIdentityProvider(ScriptedServer):
    """`issuer` goes into the configuration, with `client_id` and `client_secret` (empty: a public client)."""

    def __init__(
        self,
        *,
        client_id: str = "gateway",
        client_secret: str = "gateway-secret-of-tests",  # noqa: S107
        path: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`path`: the issuer's, for a provider with several (/tenant/v2.0). Whoever names an endpoint leaves it out."""
        super().__init__(tls=tls)
        self.client_id = client_id
        self.client_secret = client_secret
        self.script = Script()
        self.subject = "alice"
        self.client_keys: dict[str, Any] = {"keys": []}  # public JWKs of the client: then private_key_jwt is right
        self.delay = 0.0  # seconds before every answer
        self.now: Callable[[], float] = time.time
        self.signing = usual_key()
        self.published = [self.signing]
        self._path = path
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: set[str] = set()
        self._access_tokens: set[str] = set()
        self._assertions: set[str] = set()  # jti

    @property
    def issuer(self) -> str:
        return f"{self.origin}{self._path}"

    def rotate_key(self, *, keep_old: bool = True, algorithm: str = "RS256") -> SigningKey:
        """Sign with a new key from now on. `keep_old`: the old one stays published."""
        self.signing = SigningKey(f"k{len(self.published) + 1}", algorithm)
        self.published = [*(self.published if keep_old else []), self.signing]
        return self.signing

    def asked(self, path: str) -> list[ReceivedRequest]:
        """What came in for one endpoint."""
        return [request for request in self.received if self._endpoint(request) == path]

    # --- short names for what most tests touch ----------------------------------------------------------------------

    @property
    def claims(self) -> dict[str, Any]:
        return self.script.id_token

    @claims.setter
    def claims(self, claims: dict[str, Any]) -> None:
        self.script.id_token = claims

    @property
    def header(self) -> dict[str, Any]:
        return self.script.id_token_header

    @header.setter
    def header(self, header: dict[str, Any]) -> None:
        self.script.id_token_header = header

    @property
    def answers(self) -> dict[str, Callable[[], StatusAndContent]]:
        return self.script.answers

    @property
    def seen(self) -> list[tuple[str, str, dict[str, str]]]:
        """Method, path and parameters of everything that was asked."""
        return [(request.method, self._endpoint(request), request.parameters) for request in self.received]

    # --- what it says -----------------------------------------------------------------------------------------------

    def metadata(self) -> dict[str, Any]:
        right = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.signing.algorithm],
            "code_challenge_methods_supported": ["S256"],
            "revocation_endpoint": f"{self.issuer}/revoke",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "authorization_response_iss_parameter_supported": True,
        }
        return _changed(right, self.script.metadata)

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.public_jwk() for key in self.published]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to: the person is signed in at once."""
        right: dict[str, str] = {"state": query.get("state", ""), "iss": self.issuer}
        if query.get("client_id") != self.client_id or query.get("response_type") != "code":
            right["error"] = "unauthorized_client"
        elif query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            right["error"] = "invalid_request"
        else:
            right["code"] = secrets.token_urlsafe(16)
            self._codes[right["code"]] = query
        target = query["redirect_uri"]
        return f"{target}{'&' if '?' in target else '?'}{urlencode(_changed(right, self.script.redirect))}"

    def token(self, form: dict[str, str], authorization: str) -> StatusAndContent:
        if not self._is_our_client(form, authorization):
            return 401, {"error": "invalid_client"}
        match form.get("grant_type"):
            case "authorization_code":
                asked = self._codes.pop(form.get("code", ""), None)
                challenge = encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
                if asked is None or (asked["code_challenge"], asked["redirect_uri"]) != (
                    challenge,
                    form.get("redirect_uri"),
                ):
                    return 400, {"error": "invalid_grant"}
                return 200, self._tokens(asked.get("nonce"), asked.get("scope", ""))
            case "refresh_token":
                presented = form.get("refresh_token", "")
                if presented not in self._refresh_tokens:
                    return 400, {"error": "invalid_grant"}
                self._refresh_tokens.discard(presented)
                return 200, self._tokens(None, "")
            case _:
                return 400, {"error": "unsupported_grant_type"}

    def revoke(self, form: dict[str, str], authorization: str) -> StatusAndContent:
        """RFC 7009: 200 for whatever token it was."""
        if not self._is_our_client(form, authorization):
            return 401, {"error": "invalid_client"}
        self._refresh_tokens.discard(form.get("token", ""))
        self._access_tokens.discard(form.get("token", ""))
        return 200, b""

    def knows(self, token: str) -> bool:
        """Whether a token that it gave is still good."""
        return token in self._refresh_tokens or token in self._access_tokens

    def id_token(self, nonce: str | None) -> str:
        now = int(self.now())
        right: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.client_id,
            "exp": now + 300,
            "iat": now,
            "auth_time": now,
            **({} if nonce is None else {"nonce": nonce}),
            **self._person(),
        }
        return self.signing.sign(_changed(right, self.script.id_token), self.script.id_token_header)

    def userinfo(self, authorization: str) -> StatusAndContent:
        if authorization.removeprefix("Bearer ") not in self._access_tokens:
            return 401, {"error": "invalid_token"}
        return 200, _changed(self._person(), self.script.userinfo)

    def _person(self) -> dict[str, Any]:
        return {
            "sub": self.subject,
            "name": self.subject.title(),
            "email": f"{self.subject}@example.com",
            "email_verified": True,
        }

    def _tokens(self, nonce: str | None, scope: str) -> dict[str, Any]:
        access_token, refresh_token = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self._access_tokens.add(access_token)
        self._refresh_tokens.add(refresh_token)
        right = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 300,
            "refresh_token": refresh_token,
            "id_token": self.id_token(nonce),
            **({"scope": scope} if scope else {}),
        }
        return _changed(right, self.script.token)

    def _is_our_client(self, form: dict[str, str], authorization: str) -> bool:
        """client_secret_basic (RFC 6749 §2.3.1: both parts form-encoded), client_secret_post, none, or an assertion."""
        if "client_assertion" in form:
            return self.accepts_assertion(form)
        if authorization.startswith("Basic "):
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            client_id, secret = unquote_plus(pair[0]), unquote_plus(pair[2])
            return "client_secret" not in form and (client_id, secret) == (self.client_id, self.client_secret)
        return (form.get("client_id"), form.get("client_secret", "")) == (self.client_id, self.client_secret)

    def accepts_assertion(self, form: dict[str, str]) -> bool:
        """private_key_jwt (OpenID Connect Core §9): signed by a key of `client_keys`, for this endpoint, once."""
        try:
            _, claims = jwt.verify(form["client_assertion"], self.client_keys, algorithms=jwt.ASYMMETRIC_ALGORITHMS)
        except jwt.JwtError:
            return False
        is_new = claims.get("jti") not in self._assertions
        self._assertions.add(str(claims.get("jti")))
        return (
            is_new
            and form.get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            and claims.get("iss") == claims.get("sub") == form.get("client_id") == self.client_id
            and claims.get("aud") in (f"{self.issuer}/token", f"{self.issuer}/revoke")
            and claims["exp"] > self.now()
            and "client_secret" not in form
        )

    # --- HTTP -------------------------------------------------------------------------------------------------------

    def _endpoint(self, request: ReceivedRequest) -> str:
        return request.path.removeprefix(self._path)

    def fault_for(self, request: ReceivedRequest) -> Fault | None:
        fault = self.faults.get(self._endpoint(request))
        return slow(self.delay) if fault is None and self.delay else fault

    async def respond(self, request: ReceivedRequest) -> Answer:
        path = self._endpoint(request)
        authorization = request.headers.get("authorization", "")
        if path in self.script.answers:
            return Answer(*self.script.answers[path]())
        match request.method, path:
            case "GET", "/.well-known/openid-configuration":
                return Answer(200, self.metadata())
            case "GET", "/jwks":
                return Answer(200, self.jwks())
            case "GET", "/authorize":
                return Answer(302, b"", {"Location": self.authorize(dict(request.query))})
            case "POST", "/token":
                return Answer(*self.token(dict(request.form), authorization))
            case "POST", "/revoke":
                return Answer(*self.revoke(dict(request.form), authorization))
            case "GET" | "POST", "/userinfo":
                return Answer(*self.userinfo(authorization))
            case _:
                return Answer(404, {"error": "not_found"})


def _changed(right: dict[str, Any], replaced: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**right, **replaced}.items() if value is not None}
