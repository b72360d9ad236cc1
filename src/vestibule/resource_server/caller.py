"""Who is calling now, for code inside an application that `protect` or a seam stands before.

A context variable: each request, and every task that it starts, sees its own caller. The MCP SDK runs a tool in the
context of the HTTP request that called it, also in a legacy session, whose loop was started by another request.

Behind the SDK's own seam (`mcp_auth`, `fastmcp_auth`) the SDK keeps the caller in a context variable of its own; it is
read here, and nothing is imported for it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from vestibule.errors import MissingAuthorization, Refusal
from vestibule.model import Principal

_SDK_CONTEXT = "mcp.server.auth.middleware.auth_context"


@dataclass(slots=True)
class Call:
    """One request that has been let in. `scopes`: what every call of this application needs."""

    principal: Principal | None  # None: a public path
    scopes: tuple[str, ...] = ()
    refusal: Refusal | None = field(default=None, repr=False)  # raised inside the application, by a guard


_call: ContextVar[Call | None] = ContextVar("vestibule_call", default=None)


@contextmanager
def calling(call: Call) -> Iterator[None]:
    """For as long as the block runs, `call` is the current one."""
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)


def current_call() -> Call | None:
    return _call.get()


def current_principal() -> Principal:
    """Who is calling: issuer, subject, client, scopes.

    Raises `MissingAuthorization` where nobody is: outside a request, at a public path, over stdio. It takes no
    arguments, so that `Depends(current_principal)` works in FastAPI.
    """
    call = _call.get()
    principal = call.principal if call is not None else _seen_by_the_sdk()
    if principal is None:
        raise refuse(
            MissingAuthorization,
            "Nobody is signed in here.",
            action="Call it through an application that vestibule protects.",
        )
    return principal


def refuse(kind: type[Refusal], message: str, **more: Any) -> Refusal:
    """A refusal that the frameworks in this process show to the caller, and `protect` knows of."""
    refusal = _visible(kind)(message, **more)
    if (call := _call.get()) is not None:
        call.refusal = refusal
    return refusal


def _visible(kind: type[Refusal]) -> type[Refusal]:
    """The SDK and FastMCP hide the text of any error but their own ToolError: this one is that, too."""
    modules = [sys.modules.get(name) for name in ("mcp.server.mcpserver.exceptions", "fastmcp.exceptions")]
    bases = tuple(module.ToolError for module in modules if module is not None)
    return type(kind.__name__, (kind, *bases), {"__doc__": kind.__doc__, "__module__": kind.__module__})


def _seen_by_the_sdk() -> Principal | None:
    module = sys.modules.get(_SDK_CONTEXT)
    user = module.auth_context_var.get() if module is not None else None
    principal = getattr(getattr(user, "access_token", None), "principal", None)
    return principal if isinstance(principal, Principal) else None
