"""An application in process behind a sign-in: no store, no configuration file, no gateway.

What is made here for each event loop (the HTTP client, the issuers' keys) is made at the first token that comes, and
closed when the application's lifespan ends. An application without a lifespan leaves it to the end of the process.
"""

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from vestibule.model import Principal, Resource, TrustedIssuer, Upstream
from vestibule.outbound import OutboundClient
from vestibule.ports import ProofChecker, TokenVerifier
from vestibule.protocol.discovery import PROTECTED_RESOURCE, SIGNING_ALGORITHMS, well_known_url
from vestibule.protocol.scope import read_scope
from vestibule.resource_server.needs import ToolNeeds
from vestibule.resource_server.reception import ApiKeyReader, Reception
from vestibule.resource_server.remembered import RememberedTokens
from vestibule.web.asgi import App
from vestibule.web.protect import Door, ProtectedApp, path_of, plain_paths
from vestibule.web.protect_answers import Answers
from vestibule.wiring.foreign import authorization_servers, foreign_tokens

if TYPE_CHECKING:
    from fastmcp.server.auth import RemoteAuthProvider
    from mcp.server.auth.provider import TokenVerifier as SdkTokenVerifier
    from mcp.server.auth.settings import AuthSettings

_CREDENTIALS = frozenset({b"authorization", b"dpop", b"x-api-key"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _now() -> datetime:
    return datetime.now(UTC)


def protect(
    app: App,
    *,
    resource: str,
    issuers: Sequence[str | TrustedIssuer],
    scopes: Sequence[str] = (),
    audiences: Sequence[str] = (),
    public: Sequence[str] = (),
    origins: Sequence[str] = (),
    tools: Iterable[Callable[..., Any]] | None = None,
    hide_denied: bool = False,
    mcp_paths: Sequence[str] = (),
    api_key: ApiKeyReader | None = None,
    proofs: ProofChecker | bool = False,
    verifier: TokenVerifier | None = None,
    show_token: bool = False,
    title: str = "",
) -> ProtectedApp:
    """`app` as an OAuth resource server: whoever calls it has shown a token for it, or is told where to get one.

        app = protect(mcp.streamable_http_app(), resource="https://mcp.example.com/mcp",
                      issuers=["https://login.example.com"], scopes=["tickets.read"])

    resource    the URL that clients use; its path is where the MCP endpoint is (RFC 8707, RFC 9728)
    issuers     whose tokens count, and where clients are sent to sign in
    scopes      what every call needs; `require_scopes` says what a tool needs beside it
    audiences   what the tokens' `aud` must be, where the issuer does not know the resource; left out: the resource
    public      paths that anybody may call; exactly these
    origins     web pages that may call, beside the resource's own origin
    tools       the functions with `require_scopes` that this app serves; left out: all of the process
    hide_denied True: lists of tools and prompts show only what the caller may call
    mcp_paths   where the MCP endpoint is, if not at the path of `resource`
    api_key     the principal that an X-API-Key stands for, or None
    proofs      True: DPoP proofs are checked, by this process; without it, tokens that are bound to a key are refused
    verifier    says what a token is worth, in place of the verification of signed tokens
    show_token  True: the application sees the Authorization header; to exchange the token, never to pass it on

    Raises ValueError for what cannot be meant.
    """
    target = _resource(resource, scopes, title)
    _check_paths(public)
    _check_origins(origins)
    tokens = _Tokens(issuers, audiences) if verifier is None else None
    checker = _proofs_of_this_process() if proofs is True else (proofs or None)
    metadata_url = well_known_url(PROTECTED_RESOURCE, resource)
    door = Door(
        resource=target,
        metadata=_metadata(target, issuers, has_proofs=checker is not None),
        reception=Reception(
            target, verifier=verifier or _made(tokens), clock=_now, origins=origins, api_key=api_key, proofs=checker
        ),
        needs=ToolNeeds(tools),
        answers=Answers(realm=title or "MCP", resource_metadata=metadata_url, scopes=target.upstream.scopes),
        public=frozenset(public),
        mcp_paths=plain_paths(mcp_paths or [path_of(resource)]),
        hide_denied=hide_denied,
        hidden=frozenset() if show_token else _CREDENTIALS if api_key is not None else _CREDENTIALS - {b"x-api-key"},
        close=tokens.close if tokens is not None else None,
    )
    return ProtectedApp(app, door)


class McpAuth(TypedDict):
    """For `MCPServer(…, **mcp_auth(…))`."""

    token_verifier: "SdkTokenVerifier"
    auth: "AuthSettings"


def mcp_auth(
    *,
    resource: str,
    issuers: Sequence[str | TrustedIssuer],
    scopes: Sequence[str] = (),
    audiences: Sequence[str] = (),
    verifier: TokenVerifier | None = None,
) -> McpAuth:
    """The same tokens behind the MCP SDK's own seam: `MCPServer("Tickets", **mcp_auth(resource=…, issuers=…))`.

    The SDK answers: its challenges name no scopes, so no client can step up by them. `protect` is the better door.
    """
    from mcp.server.auth.settings import AuthSettings

    from vestibule.web.mcp_seams import SdkVerifier

    target = _resource(resource, scopes, "")
    settings = AuthSettings.model_validate(
        {
            "issuer_url": _sign_in(issuers)[0],
            "resource_server_url": resource,
            "required_scopes": list(target.upstream.scopes),
            "validate_token_resource": True,
        }
    )
    checked = verifier or _Tokens(issuers, audiences)
    return {"token_verifier": SdkVerifier(checked, target), "auth": settings}


def fastmcp_auth(
    *,
    resource: str,
    issuers: Sequence[str | TrustedIssuer],
    scopes: Sequence[str] = (),
    audiences: Sequence[str] = (),
    verifier: TokenVerifier | None = None,
) -> "RemoteAuthProvider":
    """The same tokens behind FastMCP's own seam: `FastMCP("Tickets", auth=fastmcp_auth(resource=…, issuers=…))`.

    The path of `resource` is the one that `http_app` serves (`/mcp` when it is not told otherwise).
    """
    from vestibule.web.fastmcp_seam import auth_provider

    target = _resource(resource, scopes, "")
    checked = verifier or _Tokens(issuers, audiences)
    return auth_provider(checked, target, _sign_in(issuers))


class _Tokens:
    """Implements `ports.TokenVerifier` in any number of event loops: nothing of one is used in another."""

    def __init__(self, issuers: Sequence[str | TrustedIssuer], audiences: Sequence[str]) -> None:
        named = _named(issuers)
        wanted = tuple(audiences)
        self._issuers = [replace(issuer, audiences=issuer.audiences or wanted) for issuer in named]
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[OutboundClient, TokenVerifier]]
        self._loops = WeakKeyDictionary()

    async def verify(self, token: str, resource: Resource, now: float, *, hint: str = "") -> Principal:
        return await self._here().verify(token, resource, now, hint=hint)

    async def close(self) -> None:
        made = self._loops.pop(asyncio.get_running_loop(), None)
        if made is not None:
            await made[0].close()

    def _here(self) -> TokenVerifier:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            http = OutboundClient()
            tokens = foreign_tokens(self._issuers, http=http, clock=_now)
            self._loops[loop] = http, RememberedTokens(tokens, tokens.good_for)
        return self._loops[loop][1]


def _proofs_of_this_process() -> ProofChecker:
    """Nonces and what was seen are this process's own: with several workers, each tells a client a nonce of its own."""
    from vestibule.keys.ring import KeyRing
    from vestibule.resource_server.proofs import DpopProofs

    return DpopProofs(authenticator=KeyRing.temporary(os.urandom), clock=_now)


def _made(tokens: _Tokens | None) -> _Tokens:
    assert tokens is not None
    return tokens


def _named(issuers: Sequence[str | TrustedIssuer]) -> list[TrustedIssuer]:
    if isinstance(issuers, str) or not issuers:
        raise ValueError("issuers is a list with one issuer at least")
    named = [TrustedIssuer(issuer) if isinstance(issuer, str) else issuer for issuer in issuers]
    for one in named:
        if not _is_safe(one.issuer):
            raise ValueError(f"an issuer is an https address (http on this computer): not {one.issuer!r}")
    return named


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    return is_safe and bool(parts.hostname) and not ("@" in parts.netloc or parts.query or "#" in address)


def _sign_in(issuers: Sequence[str | TrustedIssuer]) -> Sequence[str]:
    servers = authorization_servers(_named(issuers))
    if not servers:
        raise ValueError(
            "none of these issuers gives its tokens to the clients of others: the seam needs one that does"
        )
    return servers


def _resource(identifier: str, scopes: Sequence[str], title: str) -> Resource:
    if not _is_safe(identifier):
        raise ValueError(
            f"resource is the https URL that clients use (http on this computer), without query: not {identifier!r}"
        )
    if isinstance(scopes, str) or read_scope(" ".join(scopes)) != tuple(scopes):
        raise ValueError("scopes is a list of the names of scopes, each once")
    upstream = Upstream("app", "", scopes=tuple(scopes), title=title)
    return Resource(identifier, path_of(identifier), upstream)


def _check_paths(paths: Sequence[str]) -> None:
    if isinstance(paths, str) or not all(re.fullmatch(r"/[^*?#{}\\]*", path) for path in paths):
        raise ValueError("public is a list of paths, each exactly as it is called: no patterns")


def _check_origins(origins: Sequence[str]) -> None:
    if isinstance(origins, str) or not all(re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/*?#@\s]+", one) for one in origins):
        raise ValueError("origins is a list of scheme://host[:port], without a path: no patterns")


def _metadata(resource: Resource, issuers: Sequence[str | TrustedIssuer], *, has_proofs: bool) -> Mapping[str, Any]:
    """RFC 9728 §2."""
    document: dict[str, Any] = {
        "resource": resource.identifier,
        "authorization_servers": list(authorization_servers(_named(issuers))),
        "bearer_methods_supported": ["header"],
    }
    if resource.upstream.scopes:
        document["scopes_supported"] = list(resource.upstream.scopes)
    if has_proofs:
        document["dpop_signing_alg_values_supported"] = list(SIGNING_ALGORITHMS)
    if resource.upstream.title:
        document["resource_name"] = resource.upstream.title
    return document
