"""An Entra-shaped provider: several tenants, both token versions, its error codes, federated credentials, Graph.

By itself it is correct, as far as Microsoft's documents tell: `ScriptedEntra` has the authority and Graph under one
origin, `ScriptedManagedIdentity` is the metadata service of a machine. Neither is for anything but tests.

    async with ScriptedEntra(tls=…) as entra:
        entra.tenant = TENANT_B                       # whose person signs in
        entra.claims["roles"] = ["Admin"]             # claims of the ID token; None takes one out
        entra.version = "1.0"                         # a v1 token, from sts.windows.net
        entra.refuse = 50105                          # the token endpoint answers with this AADSTS code
        entra.certificates.add(thumbprint); entra.client_keys = {"keys": [...]}
        entra.federated.append({"issuer": …, "subject": …, "audience": …, "keys": {...}})
        entra.groups = [...]                          # what Graph says
"""

import base64
import hashlib
import json
import secrets
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from vestibule.protocol import jwt
from vestibule.testing.scripted_http import Answer, ReceivedRequest, ScriptedServer
from vestibule.testing.signing_key import encode, usual_key

TENANT_A = "aaaaaaaa-1111-4111-8111-111111111111"
TENANT_B = "bbbbbbbb-2222-4222-8222-222222222222"
ALICE = "0a11ce00-3333-4333-8333-333333333333"

_ERRORS = {
    50076: ("interaction_required", "Due to a configuration change you must use multi-factor authentication"),
    50105: ("invalid_grant", "Your administrator has configured the application to block users"),
    65001: ("invalid_grant", "The user or administrator has not consented to use the application"),
    700082: ("invalid_grant", "The refresh token has expired due to inactivity"),
    70021: ("invalid_client", "No matching federated identity record found for presented assertion"),
    700024: ("invalid_client", "Client assertion is not within its valid time range"),
    700027: ("invalid_client", "Client assertion failed signature validation"),
    7000215: ("invalid_client", "Invalid client secret provided"),
    9010010: ("invalid_target", "The resource parameter provided in the request doesn't match with the scopes"),
    90033: ("temporarily_unavailable", "The service is temporarily unavailable. Please retry later."),
}


class ScriptedEntra(ScriptedServer):
    """`authority` and `graph` of the configuration are its origin."""

    def __init__(
        self,
        *,
        client_id: str = "gateway",
        client_secret: str = "gateway-secret-of-tests",  # noqa: S107
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self.client_id = client_id
        self.client_secret = client_secret
        self.tenant = TENANT_A
        self.subject = ALICE
        self.version = "2.0"
        self.claims: dict[str, Any] = {}
        self.token: dict[str, Any] = {}  # members of the token answer
        self.redirect: dict[str, str] | None = None  # an error at the callback, in place of a code
        self.refuse = 0
        self.refused_status = 400
        self.groups: list[str] = []
        self.graph_status = 200
        self.key_issuer = ""  # what the published key says of its issuer; the template when empty
        self.certificates: set[str] = set()  # x5t#S256 of uploaded ones
        self.client_keys: dict[str, Any] = {"keys": []}  # their public keys
        self.federated: list[dict[str, Any]] = []
        self.now: Callable[[], float] = time.time
        self.signing = usual_key()
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: set[str] = set()
        self._access_tokens: set[str] = set()

    def asked(self, suffix: str) -> list[ReceivedRequest]:
        return [request for request in self.received if request.path.endswith(suffix)]

    async def respond(self, request: ReceivedRequest) -> Answer:
        if request.path == "/v1.0/me/getMemberObjects" and request.method == "POST":
            return self._member_objects(request)
        tenant, _, path = request.path[1:].partition("/")
        match request.method, path:
            case "GET", "v2.0/.well-known/openid-configuration":
                return Answer(200, self._metadata(tenant))
            case "GET", "discovery/v2.0/keys":
                issuer = self.key_issuer or f"{self.origin}/{{tenantid}}/v2.0"
                return Answer(200, {"keys": [{**self.signing.public_jwk(), "issuer": issuer}]})
            case "GET", "oauth2/v2.0/authorize":
                return Answer(302, b"", {"Location": self._authorize(dict(request.query))})
            case "POST", "oauth2/v2.0/token":
                return self._token(tenant, dict(request.form))
        return Answer(404, {"error": "not_found"})

    def _metadata(self, tenant: str) -> dict[str, Any]:
        """As the real one: no code_challenge_methods_supported, no revocation, a template for many tenants."""
        base = f"{self.origin}/{tenant}"
        shown = "{tenantid}" if tenant in ("common", "organizations") else tenant
        return {
            "issuer": f"{self.origin}/{shown}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "userinfo_endpoint": f"{self.origin}/oidc/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
        }

    def _authorize(self, query: dict[str, str]) -> str:
        answer = {"state": query.get("state", ""), "session_state": "0f0f"}
        if self.redirect is not None:
            answer |= self.redirect
        elif "resource" in query:
            answer |= {"error": "invalid_target", "error_description": f"AADSTS9010010: {_ERRORS[9010010][1]}"}
        else:
            code = secrets.token_urlsafe(24)
            self._codes[code] = query
            answer["code"] = code
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def _token(self, tenant: str, form: dict[str, str]) -> Answer:
        if self.refuse:
            return self._error(self.refuse, self.refused_status)
        if "resource" in form:
            return self._error(9010010)
        if number := self._client_fault(tenant, form):
            return self._error(number, 401)
        if form.get("grant_type") == "refresh_token":
            known = form.get("refresh_token", "") in self._refresh_tokens
            self._refresh_tokens.discard(form.get("refresh_token", ""))
            return Answer(200, self._tokens({})) if known else self._error(700082)
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or (asked["code_challenge"], asked["redirect_uri"]) != (challenge, form.get("redirect_uri")):
            return Answer(400, {"error": "invalid_grant", "error_codes": [70008], "error_description": "AADSTS70008"})
        return Answer(200, self._tokens(asked))

    def _client_fault(self, tenant: str, form: dict[str, str]) -> int:
        """The AADSTS code of a client that does not show who it is; 0 for ours."""
        assertion = form.get("client_assertion")
        if assertion is None:
            return 0 if form.get("client_secret") == self.client_secret or not self.client_secret else 7000215
        head = _part(assertion, 0)
        if "x5t#S256" in head:
            return self._certificate_fault(assertion, head, tenant)
        for credential in self.federated:
            try:
                _, claims = jwt.verify(assertion, credential["keys"], algorithms=["RS256"])
            except jwt.JwtError:
                continue
            wanted = (credential["issuer"], credential["subject"], credential["audience"])
            if (claims.get("iss"), claims.get("sub"), claims.get("aud")) == wanted:
                return 0 if claims["exp"] > self.now() else 700024
        return 70021

    def _certificate_fault(self, assertion: str, head: dict[str, Any], tenant: str) -> int:
        if head["x5t#S256"] not in self.certificates:
            return 700027
        try:
            _, claims = jwt.verify(assertion, self.client_keys, algorithms=["PS256", "RS256"])
        except jwt.JwtError:
            return 700027
        if claims["aud"] != f"{self.origin}/{tenant}/oauth2/v2.0/token" or claims["iss"] != claims["sub"]:
            return 700027
        return 0 if claims["nbf"] <= self.now() + 300 and claims["exp"] > self.now() else 700024

    def _tokens(self, asked: dict[str, str]) -> dict[str, Any]:
        access_token, refresh_token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._access_tokens.add(access_token)
        self._refresh_tokens.add(refresh_token)
        right = {
            "token_type": "Bearer",
            "scope": asked.get("scope", "openid"),
            "expires_in": 4799,
            "ext_expires_in": 4799,
            "access_token": access_token,
            "refresh_token": refresh_token,
            "id_token": self._id_token(asked.get("nonce")),
        }
        return {name: value for name, value in {**right, **self.token}.items() if value is not None}

    def _id_token(self, nonce: str | None) -> str:
        now = int(self.now())
        issuer = (
            f"https://sts.windows.net/{self.tenant}/" if self.version == "1.0" else f"{self.origin}/{self.tenant}/v2.0"
        )
        right = {
            "aud": self.client_id,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "tid": self.tenant,
            "oid": self.subject,
            "sub": f"pairwise-{self.subject}",
            "ver": self.version,
            "name": "Alice",
            "preferred_username": "alice@example.com",
            "nonce": nonce,
        }
        claims = {name: value for name, value in {**right, **self.claims}.items() if value is not None}
        return self.signing.sign(claims)

    def _error(self, number: int, status: int = 400) -> Answer:
        error, text = _ERRORS.get(number, ("invalid_grant", "Something else."))
        return Answer(
            status,
            {
                "error": error,
                "error_description": f"AADSTS{number}: {text}. Trace ID: 0 Correlation ID: 0 Timestamp: 2026-01-01",
                "error_codes": [number],
                "error_uri": f"{self.origin}/error?code={number}",
            },
        )

    def _member_objects(self, request: ReceivedRequest) -> Answer:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._access_tokens:
            return Answer(401, {"error": {"code": "InvalidAuthenticationToken"}})
        if self.graph_status != 200:
            return Answer(self.graph_status, {"error": {"code": "Authorization_RequestDenied"}})
        assert json.loads(request.body) == {"securityEnabledOnly": False}
        return Answer(200, {"@odata.context": f"{self.origin}/v1.0/$metadata", "value": self.groups})


class ScriptedManagedIdentity(ScriptedServer):
    """IMDS (2018-02-01), and with `header` App Service's endpoint (2019-08-01)."""

    def __init__(self, *, subject: str = "managed-identity-object-id", header: str = "") -> None:
        super().__init__()
        self.subject = subject
        self.header = header
        self.lifetime = 86400  # seconds
        self.client_id = ""  # of the only user-assigned identity; empty: any
        self.now: Callable[[], float] = time.time
        self.signing = usual_key()

    def credential(self, audience: str = "api://AzureADTokenExchange") -> dict[str, Any]:
        """What is configured as federated credential at Entra."""
        keys = {"keys": [self.signing.public_jwk()]}
        return {"issuer": self.issuer, "subject": self.subject, "audience": audience, "keys": keys}

    @property
    def issuer(self) -> str:
        return f"https://login.microsoftonline.com/{TENANT_A}/v2.0"

    async def respond(self, request: ReceivedRequest) -> Answer:
        query = parse_qs(urlsplit(request.target).query)
        right = (
            request.path == "/msi/token"
            and request.headers.get("x-identity-header") == self.header
            and query.get("api-version") == ["2019-08-01"]
            if self.header
            else request.path == "/metadata/identity/oauth2/token"
            and request.headers.get("metadata") == "true"
            and query.get("api-version") == ["2018-02-01"]
        )
        if not right or "resource" not in query:
            return Answer(400, {"error": "invalid_request", "error_description": "Required metadata header missing"})
        if self.client_id and query.get("client_id") != [self.client_id]:
            return Answer(400, {"error": "invalid_request", "error_description": "Identity not found"})
        now = int(self.now())
        audience = query["resource"][0]
        claims = {
            "aud": audience,
            "iss": self.issuer,
            "sub": self.subject,
            "iat": now,
            "exp": now + self.lifetime,
            "jti": secrets.token_urlsafe(8),
        }
        return Answer(
            200,
            {
                "access_token": self.signing.sign(claims),
                "expires_in": str(self.lifetime),
                "expires_on": str(now + self.lifetime),
                "resource": audience,
                "token_type": "Bearer",
            },
        )


def _part(token: str, number: int) -> dict[str, Any]:
    part = token.split(".")[number]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found
