"""Every error Vestibule raises on purpose.

An error has two readers. `message` and `action` reach whoever sent the request: what happened, and what to do.
`detail` reaches only our log, so it may name the key, the client or the clock difference that explains the refusal.
Nothing here knows HTTP frameworks; `status` is the number that the one renderer of each plane uses.

    VestibuleError
    ├── StartError                 the program refuses to start (exit 1; ConfigurationError: exit 2)
    │   └── ConfigurationError     every fault of the configuration at once
    ├── OAuthError                 RFC 6749 §5.2: error, error_description
    │   └── InvalidRequest, InvalidClient, InvalidGrant, …
    ├── PageError                  a person is looking at a browser; nothing may be redirected
    ├── Refusal                    the resource server or the gateway says no, in the form of docs/errors.md
    │   ├── SeveralCredentials                                      400
    │   ├── MissingAuthorization, InvalidToken, TokenExpired, …     401
    │   ├── InsufficientScope, OriginDenied, PolicyDenied           403
    │   └── UpstreamUnavailable, UpstreamTimeout, …                 502, 504
    ├── CountersUnavailable        what replicas share about limits cannot be asked; never shown
    ├── FetchError                 something we asked of the outside did not come
    │   └── FetchRefused           the address guard or a cap said no before or while asking
    ├── Unavailable                a part we depend on is gone for now (503)
    ├── NoTenantDatabase           a tenant's own data has not been made, or is gone
    └── TenantError                what an operator asks of a tenant, and cannot be done
        └── UnknownTenant, TenantNameTaken, …
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple


class VestibuleError(Exception):
    """The root. `message` may be shown to the other side; `detail` goes to the log only."""

    def __init__(self, message: str, *, action: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.action = action
        self.detail = detail


class Allowance(NamedTuple):
    """What is left to a caller, by the limit that leaves the least. Here, because the errors about limits carry it."""

    policy: str  # its name, for the RateLimit header
    limit: int
    window: int  # seconds
    remaining: int
    reset: int  # seconds until it is whole again
    retry_after: int = 0  # seconds; above 0: refused


# --- the program does not start -------------------------------------------------------------------------------------


class StartError(VestibuleError):
    """The program cannot start: a port taken, a wrong key, a store newer than the program."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the configuration, in the operator's words."""

    key: str  # dotted, as in the file: upstreams[0].url
    reason: str
    fix: str
    source: str = ""  # where it was said: vestibule.yaml:7, or the name of the variable


class ConfigurationError(StartError):
    """The configuration cannot be used. `faults` has all of them, not the first."""

    exit_code: ClassVar[int] = 2

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.key}: {fault.reason}" for fault in faults))
        self.faults = faults


# --- OAuth ----------------------------------------------------------------------------------------------------------


class OAuthError(VestibuleError):
    """A protocol error in the two fields RFC 6749 §5.2 gives it: `error` and `error_description`."""

    error: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400

    @property
    def description(self) -> str:
        return f"{self.message} {self.action}".strip()


class InvalidRequest(OAuthError):
    error = "invalid_request"


class InvalidClient(OAuthError):
    """RFC 6749 §5.2; always 401, with a challenge when the client tried the Authorization header."""

    error = "invalid_client"
    status = 401


class InvalidGrant(OAuthError):
    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    error = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    error = "unsupported_response_type"


class UnsupportedTokenType(OAuthError):
    """RFC 7009 §2.2.1."""

    error = "unsupported_token_type"


class InvalidScope(OAuthError):
    error = "invalid_scope"


class InvalidTarget(OAuthError):
    """RFC 8707 §2."""

    error = "invalid_target"


class AccessDenied(OAuthError):
    error = "access_denied"
    status = 403


class TenantClosed(AccessDenied):
    """The tenant is suspended or deleted: nothing is begun in its name."""


class LoginRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6, for prompt=none."""

    error = "login_required"


class ConsentRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6, for prompt=none."""

    error = "consent_required"


class AuthorizationPending(OAuthError):
    """RFC 8628 §3.5: nobody has answered yet."""

    error = "authorization_pending"


class SlowDown(OAuthError):
    """RFC 8628 §3.5: the device polls too often; its interval is five seconds longer from now on."""

    error = "slow_down"


class ExpiredToken(OAuthError):
    """RFC 8628 §3.5: the device code's time is over."""

    error = "expired_token"


class InvalidDpopProof(OAuthError):
    """RFC 9449 §5, §7.1."""

    error = "invalid_dpop_proof"


class UseDpopNonce(OAuthError):
    """RFC 9449 §8: the client takes the nonce of the DPoP-Nonce header and tries again."""

    error = "use_dpop_nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__("The DPoP proof needs the nonce of the DPoP-Nonce header.", action="Try again with it.")
        self.nonce = nonce


class TooManyRequests(OAuthError):
    """RFC 6585 §4, for the endpoints of the authorization server. `retry_after`: seconds."""

    error = "temporarily_unavailable"
    status = 429

    def __init__(
        self, message: str, *, retry_after: int, action: str = "", detail: str = "", allowance: Allowance | None = None
    ) -> None:
        super().__init__(message, action=action or f"Wait {retry_after} seconds.", detail=detail)
        self.retry_after = retry_after
        self.allowance = allowance


class InvalidRedirectUri(OAuthError):
    """RFC 7591 §3.2.2."""

    error = "invalid_redirect_uri"


class InvalidClientMetadata(OAuthError):
    """RFC 7591 §3.2.2."""

    error = "invalid_client_metadata"


class RequestTooLarge(OAuthError):
    error = "invalid_request"
    status = 413


class TemporarilyUnavailable(OAuthError):
    """RFC 6749 §4.1.2.1; 503 with Retry-After."""

    error = "temporarily_unavailable"
    status = 503


class ServerError(OAuthError):
    error = "server_error"
    status = 500


# --- a person is looking --------------------------------------------------------------------------------------------


class PageError(VestibuleError):
    """Shown as a page. Used where no redirect URI has been proven, so that nothing may be sent anywhere.

    `error` is the OAuth code that fits, for tools that read the page's JSON form. `retry_after`: seconds; 0: not told.
    """

    def __init__(
        self,
        message: str,
        *,
        action: str = "",
        detail: str = "",
        status: int = 400,
        error: str = "invalid_request",
        retry_after: int = 0,
    ) -> None:
        super().__init__(message, action=action, detail=detail)
        self.status = status
        self.error = error
        self.retry_after = retry_after


class SignInFirst(PageError):
    """A page that is about a person, and nobody is signed in in this browser."""

    def __init__(self, message: str, *, action: str = "") -> None:
        super().__init__(message, action=action, status=401, error="login_required")


class NotFoundPage(PageError):
    def __init__(self, message: str, *, action: str = "") -> None:
        super().__init__(message, action=action, status=404, error="not_found")


class UnknownUserCode(PageError):
    """No device waits with the code that somebody typed; the page asks again."""


# --- the resource server and the gateway ----------------------------------------------------------------------------


class Refusal(VestibuleError):
    """The answer to an MCP request that goes no further.

    `code` stands in the body's `error.data.error_code`; `bearer_error` is RFC 6750 §3.1's value for the challenge,
    empty where no challenge belongs; `rpc_code` is the body's `error.code`.
    """

    code: ClassVar[str] = "REFUSED"
    status: ClassVar[int] = 400
    bearer_error: ClassVar[str] = ""
    rpc_code: ClassVar[int] = -32002


class BadRequest(Refusal):
    code = "BAD_REQUEST"


class HeaderMismatch(BadRequest):
    """MCP 2026-07-28: Mcp-Method or Mcp-Name is missing, stands twice, or is not what the body says."""

    code = "HEADER_MISMATCH"
    rpc_code = -32020


class SeveralCredentials(BadRequest):
    """RFC 6750 §2: a request shows itself in one way. Which of two counts would be read by nobody alike."""

    code = "SEVERAL_CREDENTIALS"
    bearer_error = "invalid_request"


class NotFound(Refusal):
    code = "NOT_FOUND"
    status = 404


class SessionNotFound(Refusal):
    """MCP: an unknown session is 404, and the client starts anew. Somebody else's session is just as unknown."""

    code = "SESSION_NOT_FOUND"
    status = 404


class MethodNotAllowed(Refusal):
    code = "METHOD_NOT_ALLOWED"
    status = 405


class BodyTooLarge(Refusal):
    code = "BODY_TOO_LARGE"
    status = 413


class MissingAuthorization(Refusal):
    """401 without an `error` in the challenge: RFC 6750 §3.1 wants none where no credentials were sent."""

    code = "MISSING_AUTHORIZATION"
    status = 401


class InvalidToken(Refusal):
    code = "INVALID_TOKEN"
    status = 401
    bearer_error = "invalid_token"


class InvalidSignature(InvalidToken):
    code = "INVALID_SIGNATURE"


class TokenExpired(InvalidToken):
    code = "TOKEN_EXPIRED"


class InvalidAudience(InvalidToken):
    code = "INVALID_AUDIENCE"


class InvalidIssuer(InvalidToken):
    code = "INVALID_ISSUER"


class TokenRevoked(InvalidToken):
    code = "TOKEN_REVOKED"


class InvalidProof(InvalidToken):
    """RFC 9449 §7.1: the token is for the holder of a key, and the request does not prove it.

    `nonce` is the one to use next. `error` is use_dpop_nonce when its absence was all that was wrong, invalid_token for
    a token that came without any proof.
    """

    code = "INVALID_DPOP_PROOF"
    bearer_error = "invalid_dpop_proof"

    def __init__(
        self, message: str, *, nonce: str, error: str = "invalid_dpop_proof", action: str = "", detail: str = ""
    ) -> None:
        super().__init__(message, action=action, detail=detail)
        self.nonce = nonce
        self.bearer_error = error  # type: ignore[misc]


class InsufficientScope(Refusal):
    """`scopes` are all that the operation needs, in one challenge.

    `by_sign_in`: whether another sign-in could give them. To an API key none can, so it gets no challenge.
    """

    code = "INSUFFICIENT_SCOPE"
    status = 403
    bearer_error = "insufficient_scope"

    def __init__(
        self, message: str, *, scopes: tuple[str, ...], by_sign_in: bool = True, action: str = "", detail: str = ""
    ) -> None:
        super().__init__(message, action=action, detail=detail)
        self.scopes = scopes
        self.by_sign_in = by_sign_in


class PolicyDenied(Refusal):
    code = "POLICY_DENIED"
    status = 403


class OriginDenied(Refusal):
    code = "ORIGIN_DENIED"
    status = 403


class TenantDenied(Refusal):
    code = "TENANT_DENIED"
    status = 403


class ProxyDenied(Refusal):
    """Forward-auth: who asks is none of the proxies that the configuration names, or asks about nothing of ours."""

    code = "PROXY_DENIED"
    status = 403


class HostDenied(Refusal):
    """The Host header names somebody else: DNS rebinding or a misconfigured proxy."""

    code = "HOST_DENIED"
    status = 421


class RateLimited(Refusal):
    """RFC 6585 §4. `allowance` says which limit it was, and how long to wait."""

    code = "RATE_LIMITED"
    status = 429

    def __init__(self, allowance: Allowance, *, detail: str = "") -> None:
        super().__init__("Too many requests.", action=f"Wait {allowance.retry_after} seconds.", detail=detail)
        self.allowance = allowance

    @property
    def retry_after(self) -> int:
        """Seconds."""
        return self.allowance.retry_after


class UpstreamUnavailable(Refusal):
    code = "UPSTREAM_UNAVAILABLE"
    status = 502


class UpstreamTimeout(Refusal):
    code = "UPSTREAM_TIMEOUT"
    status = 504


class UpstreamCredentialFailed(Refusal):
    """The upstream did not accept what we showed it. Its own 401 or 403 is never shown as ours."""

    code = "UPSTREAM_CREDENTIAL_FAILED"
    status = 502


# --- what we depend on ----------------------------------------------------------------------------------------------


class FetchError(VestibuleError):
    """Something we asked of the outside did not come. `message` is the same for every cause a stranger may steer."""


class CountersUnavailable(VestibuleError):
    """The counts that replicas share cannot be asked; nobody outside is told, this replica's own count decides."""


class FetchRefused(FetchError):
    """We did not ask, or stopped reading: a special-use address, a redirect, a cap."""


class Unavailable(Refusal):
    """A part we depend on is gone for now."""

    code = "UNAVAILABLE"
    status = 503


class StoreUnavailable(Unavailable):
    code = "STORE_UNAVAILABLE"


class IdentityProviderUnavailable(Unavailable):
    code = "IDENTITY_PROVIDER_UNAVAILABLE"


class JwksFetchError(Unavailable):
    """The keys of a token's issuer cannot be read, so nobody can say whether the token is good."""

    code = "JWKS_FETCH_ERROR"


class ProviderSignInNeeded(Refusal):
    """The identity provider wants to see the person again before it gives us a token in their name."""

    code = "PROVIDER_SIGN_IN_NEEDED"
    status = 403


class NoTenantDatabase(VestibuleError):
    """Nothing has been made for this tenant, or it has been dropped."""


# --- what an operator asks for, and what cannot be done ---------------------------------------------------------------


class TenantError(VestibuleError):
    """A change of a tenant that is not done. `status`: of an answer over HTTP."""

    status: ClassVar[int] = 400


class UnknownTenant(TenantError):
    status: ClassVar[int] = 404


class WrongTenantName(TenantError):
    pass


class TenantNameTaken(TenantError):
    status: ClassVar[int] = 409


class WrongTenantState(TenantError):
    status: ClassVar[int] = 409
