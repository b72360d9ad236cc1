"""Vestibule: the front door for MCP servers.

As a library it puts an application in process behind a sign-in (docs/library.md):

    from vestibule import protect, require_scopes, current_principal

    protect              an ASGI application that lets nobody in without a token for it
    require_scopes       what a tool needs of its caller beside that
    current_principal    who is calling: a Principal
    mcp_auth             the same tokens behind the MCP SDK's own seam
    fastmcp_auth         the same behind FastMCP's
    TrustedIssuer        whose tokens count, when an address alone does not say enough
    TokenVerifier        what to implement for tokens of another kind
    VestibuleError       the root of all errors; Refusal is an answer to a request, and
                         MissingAuthorization, InvalidToken, InsufficientScope are the ones that one may meet

Nothing is loaded before it is used, and a library never loads a store or a configuration.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vestibule.errors import InsufficientScope, InvalidToken, MissingAuthorization, Refusal, VestibuleError
    from vestibule.model.identity import Principal
    from vestibule.model.trusted_issuer import TrustedIssuer
    from vestibule.ports.calls import TokenVerifier
    from vestibule.resource_server.caller import current_principal
    from vestibule.resource_server.needs import require_scopes
    from vestibule.wiring.library import fastmcp_auth, mcp_auth, protect

__all__ = [
    "InsufficientScope",
    "InvalidToken",
    "MissingAuthorization",
    "Principal",
    "Refusal",
    "TokenVerifier",
    "TrustedIssuer",
    "VestibuleError",
    "__version__",
    "current_principal",
    "fastmcp_auth",
    "mcp_auth",
    "protect",
    "require_scopes",
]

__version__: str

_HOMES = {
    "InsufficientScope": "errors",
    "InvalidToken": "errors",
    "MissingAuthorization": "errors",
    "Principal": "model.identity",
    "Refusal": "errors",
    "TokenVerifier": "ports.calls",
    "TrustedIssuer": "model.trusted_issuer",
    "VestibuleError": "errors",
    "current_principal": "resource_server.caller",
    "fastmcp_auth": "wiring.library",
    "mcp_auth": "wiring.library",
    "protect": "wiring.library",
    "require_scopes": "resource_server.needs",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # reads e-mail headers: 2 MB that only a question for it is worth

        return version("vestibule")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
