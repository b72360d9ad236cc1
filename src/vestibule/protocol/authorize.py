"""What an authorization request must look like (OAuth 2.1 §4.1.1, RFC 7636, RFC 8707, RFC 9207).

The order matters and is told by two tuples. Until the client and its redirect URI are proven, a fault is a page: it may
be sent nowhere. After that every fault goes back to the client, with `state` and `iss`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vestibule.errors import (
    InvalidRequest,
    OAuthError,
    PageError,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from vestibule.model import Client, Resource
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.pkce import is_challenge
from vestibule.protocol.redirect_uri import match_redirect_uri, with_parameters
from vestibule.protocol.resource import find_resource
from vestibule.protocol.scope import grantable, read_scope

MAX_STATE = 8192  # characters; it comes back in a redirect, and proxies cut long ones
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})

Check = Callable[[Parameters, Client], None]


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """An authorization request that has passed every check."""

    client: Client
    redirect_uri: str
    redirect_uri_given: bool
    state: str | None
    scopes: tuple[str, ...]
    resource: Resource
    code_challenge: str
    prompt: frozenset[str]
    login_hint: str
    max_age: int | None
    key_thumbprint: str = ""


def check_redirect_uri(query: Parameters, client: Client) -> str:
    """The redirect URI to use: the first thing that is proven of a request. Raises `PageError`."""
    if query.repeated & {"client_id", "redirect_uri"}:
        raise PageError("This link names its application or its destination twice.", action="Start again from the app.")
    requested = query.get("redirect_uri")
    if not requested:
        if len(client.redirect_uris) == 1:
            return client.redirect_uris[0]
        raise PageError(
            "This link does not say where to return to.",
            action="The application must send redirect_uri, because it registered more than one.",
        )
    if match_redirect_uri(requested, client.redirect_uris) is None:
        raise PageError(
            "This link wants to return to an address that the application has not registered.",
            action="If you follow a link that somebody sent you, stop here. If you write the application, register "
            "this redirect_uri, to the letter.",
            detail=f"redirect_uri {requested[:200]!r} of client {client.client_id[:200]!r}",
        )
    return requested


def check_request(
    query: Parameters, client: Client, redirect_uri: str, resources: Sequence[Resource], scopes_of: "ScopesOf"
) -> CheckedRequest:
    """Every check after the redirect URI, in order. Raises an `OAuthError` to send to that URI."""
    for check in REDIRECTED_CHECKS:
        check(query, client)
    resource = find_resource(query.resources, resources)
    return CheckedRequest(
        client=client,
        redirect_uri=redirect_uri,
        redirect_uri_given=query.has("redirect_uri"),
        state=query.values.get("state"),
        scopes=grantable(read_scope(query.get("scope")), scopes_of(resource), resource.upstream.scopes),
        resource=resource,
        code_challenge=query.get("code_challenge"),
        prompt=frozenset(query.get("prompt").split()),
        login_hint=query.get("login_hint")[:320],
        max_age=_max_age(query),
        key_thumbprint=query.get("dpop_jkt"),
    )


ScopesOf = Callable[[Resource], tuple[str, ...]]


def check_repeated(query: Parameters, client: Client) -> None:
    query.check_single()


def check_response_type(query: Parameters, client: Client) -> None:
    if not query.has("response_type"):
        raise InvalidRequest("The request has no response_type.", action="Send response_type=code.")
    if query.get("response_type") != "code":
        raise UnsupportedResponseType("Only response_type=code is supported.")


def check_grant_type(query: Parameters, client: Client) -> None:
    if "authorization_code" not in client.grant_types:
        raise UnauthorizedClient("This client is not registered for the authorization code grant.")


def check_response_mode(query: Parameters, client: Client) -> None:
    if query.get("response_mode") not in ("", "query"):
        raise InvalidRequest("Only response_mode=query is supported.")


def check_request_object(query: Parameters, client: Client) -> None:
    # Neither is fetched nor read: a request object that nobody verified must not change a single parameter.
    for name, error in (("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")):
        if query.has(name):
            raise NotSupported(f"The parameter {name} is not supported.", error=error)


def check_pkce(query: Parameters, client: Client) -> None:
    if not query.has("code_challenge"):
        raise InvalidRequest("PKCE is required: the request has no code_challenge.")
    if query.get("code_challenge_method") != "S256":
        raise InvalidRequest("PKCE is required with code_challenge_method=S256.")
    if not is_challenge(query.get("code_challenge")):
        raise InvalidRequest("The code_challenge is not the base64url of a SHA-256 digest (43 characters).")


def check_state(query: Parameters, client: Client) -> None:
    if len(query.get("state")) > MAX_STATE:
        raise InvalidRequest(f"The state is longer than {MAX_STATE} characters.")


def check_prompt(query: Parameters, client: Client) -> None:
    prompt = set(query.get("prompt").split())
    if not prompt <= _PROMPTS:
        raise InvalidRequest("The prompt is none, login, consent or select_account.")
    if "none" in prompt and len(prompt) > 1:
        raise InvalidRequest("prompt=none stands alone (OpenID Connect Core §3.1.2.1).")


def check_max_age(query: Parameters, client: Client) -> None:
    _max_age(query)


def check_dpop_key(query: Parameters, client: Client) -> None:
    # a thumbprint has the form of a challenge: 32 bytes in base64url
    if query.has("dpop_jkt") and not is_challenge(query.get("dpop_jkt")):
        raise InvalidRequest("The dpop_jkt is the base64url of a SHA-256 thumbprint (RFC 9449 §10).")


REDIRECTED_CHECKS: tuple[Check, ...] = (
    check_state,
    check_repeated,
    check_request_object,
    check_response_type,
    check_response_mode,
    check_grant_type,
    check_pkce,
    check_prompt,
    check_max_age,
    check_dpop_key,
)


class NotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6: request_not_supported, request_uri_not_supported."""

    def __init__(self, message: str, *, error: str) -> None:
        super().__init__(message)
        self.error = error  # type: ignore[misc]


def _max_age(query: Parameters) -> int | None:
    text = query.get("max_age")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequest("The max_age is a number of seconds.")
    return int(text)


def code_response(redirect_uri: str, *, code: str, state: str | None, issuer: str) -> str:
    """The URL that takes the code to the client, with `iss` (RFC 9207) and the client's `state` to the letter."""
    return with_parameters(redirect_uri, {"code": code, **_state(state), "iss": issuer})


def error_response(redirect_uri: str, error: OAuthError, *, state: str | None, issuer: str) -> str:
    """The URL that takes an error to the client (RFC 6749 §4.1.2.1), with `iss` as well."""
    return with_parameters(
        redirect_uri,
        {"error": error.error, "error_description": _ascii(error.description), **_state(state), "iss": issuer},
    )


def _state(state: str | None) -> dict[str, str]:
    return {} if state is None else {"state": state}


def _ascii(text: str) -> str:
    """RFC 6749 §4.1.2.1 allows %x20-21 / %x23-5B / %x5D-7E in a description."""
    return "".join(char if 0x20 <= ord(char) <= 0x7E and char not in '"\\' else "'" for char in text)
