"""The caller in the forms that frameworks look for: Starlette's `request.user` and `request.auth`.

Where the MCP SDK is loaded, the user is one of its own kind: its sessions belong to whoever opened them, and it knows
them by nothing else. With any other user, knowing a session id would be enough (CVE-2026-52869).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vestibule.model import Principal
from vestibule.resource_server.caller import Call, calling

_SDK_USERS = "mcp.server.auth.middleware.bearer_auth"
_SDK_CONTEXT = "mcp.server.auth.middleware.auth_context"


class User:
    """As `starlette.authentication.BaseUser` has it."""

    is_authenticated = True

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    @property
    def display_name(self) -> str:
        return self.principal.user

    @property
    def identity(self) -> str:
        return self.principal.user


def user_for(principal: Principal) -> Any:
    if _SDK_USERS not in sys.modules:
        return User(principal)
    from vestibule.web.mcp_seams import SdkUser

    return SdkUser(principal)


def auth_for(principal: Principal) -> Any:
    """For `starlette.authentication.requires`; nothing where Starlette is not used."""
    starlette = sys.modules.get("starlette.authentication")
    return starlette.AuthCredentials(sorted(principal.scopes)) if starlette is not None else None


@contextmanager
def as_caller(call: Call) -> Iterator[None]:
    """For as long as the block runs, `current_principal` knows the caller, and so does the SDK's `get_access_token`."""
    context = sys.modules.get(_SDK_CONTEXT)
    with calling(call):
        if context is None:
            yield
            return
        token = context.auth_context_var.set(user_for(call.principal) if call.principal is not None else None)
        try:
            yield
        finally:
            context.auth_context_var.reset(token)
