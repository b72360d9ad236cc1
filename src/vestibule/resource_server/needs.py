"""What a function needs of its caller: `require_scopes`, and the register that `protect` reads.

Two locks on one door. `protect` finds the tool that a request calls in the register, and answers 403 with the scopes to
ask for before anything of the tool runs. The function itself checks again, whichever way it is called: over stdio, by
another tool, behind the SDK's own seam. A function that a framework registered before `require_scopes` saw it (the
decorator stands above `@mcp.tool()`) has only the first lock.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from vestibule.errors import InsufficientScope
from vestibule.model import Operation
from vestibule.protocol.scope import read_scope
from vestibule.resource_server.caller import current_call, current_principal, refuse

P = ParamSpec("P")
R = TypeVar("R")

_MARK = "__vestibule_needs__"
_BY_NAME = frozenset({"tools/call", "prompts/get"})

_register: dict[str, tuple[str, ...]] = {}  # of the process: tool → scopes


def require_scopes(*scopes: str, tool: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only a caller whose token has all of these scopes may call the function.

    Write it below the framework's decorator, next to the function. It keeps name, signature and annotations.

        @mcp.tool()
        @require_scopes("tickets.write")
        async def close_ticket(number: int) -> str: ...

    `tool`: the name that the framework has for it, when that is not the function's own (`@mcp.tool(name=…)`, a mounted
    server's prefix). The function raises `InsufficientScope`, or `MissingAuthorization` when nobody is signed in;
    under `protect` both become the challenge that lets a client ask for more.
    """
    if not scopes or read_scope(" ".join(scopes)) != scopes:
        raise ValueError("require_scopes takes the names of scopes, each once: require_scopes('tickets.write')")

    def guard(function: Callable[P, R]) -> Callable[P, R]:
        if not callable(function) or isinstance(function, type):
            raise TypeError("require_scopes decorates a function; write it below the framework's own decorator")
        name = tool or getattr(function, "__name__", "")
        if not name:
            raise TypeError("this function has no name: say which tool it is, with tool=…")
        guarded = _guarded(function, scopes)
        inner: dict[str, tuple[str, ...]] = getattr(function, _MARK, {})
        needed = _union(*inner.values(), scopes)
        setattr(guarded, _MARK, {name: needed})
        _register[name] = _union(_register.get(name, ()), needed)
        return guarded

    return guard


def check_scopes(needed: tuple[str, ...]) -> None:
    """Raise unless somebody is calling who has them all."""
    principal = current_principal()
    if principal.scopes.issuperset(needed):
        return
    call = current_call()
    everything = _union(call.scopes if call is not None else (), needed)
    raise refuse(
        InsufficientScope,
        f"This needs the scope {' '.join(needed)}.",
        scopes=everything,
        action="Ask for it in a new sign-in.",
    )


class ToolNeeds:
    """The scopes of an application's tools."""

    def __init__(self, tools: Iterable[Callable[..., Any]] | None = None) -> None:
        """`tools`: the decorated functions that the application serves; None: all of this process."""
        self._own: Mapping[str, tuple[str, ...]] | None = None if tools is None else _marked(tools)

    @property
    def is_empty(self) -> bool:
        return not (_register if self._own is None else self._own)

    def of(self, operation: Operation) -> tuple[str, ...]:
        """What the tool or prompt needs beside what every call needs."""
        if operation.method not in _BY_NAME:
            return ()
        return (_register if self._own is None else self._own).get(operation.name, ())


def _marked(tools: Iterable[Callable[..., Any]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for function in tools:
        needs: dict[str, tuple[str, ...]] | None = getattr(function, _MARK, None)
        if needs is None:
            raise ValueError(f"{function!r} has no require_scopes")
        for name, scopes in needs.items():
            found[name] = _union(found.get(name, ()), scopes)
    return found


def _guarded(function: Callable[P, R], scopes: tuple[str, ...]) -> Callable[P, R]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def later(*args: P.args, **kwargs: P.kwargs) -> Any:
            check_scopes(scopes)
            return await function(*args, **kwargs)

        return later  # type: ignore[return-value]  # R is the coroutine

    @functools.wraps(function)
    def now(*args: P.args, **kwargs: P.kwargs) -> R:
        check_scopes(scopes)
        return function(*args, **kwargs)

    return now


def _union(*parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(scope for part in parts for scope in part))
