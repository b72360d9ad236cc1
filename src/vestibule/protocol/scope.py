"""Scope strings: reading, writing, comparing (RFC 6749 §3.3)."""

import re
from collections.abc import Iterable, Mapping

from vestibule.errors import InvalidScope

_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+\Z")

MAX_SCOPES = 100

OFFLINE_ACCESS = "offline_access"
OPENID = "openid"
ADMIN = "vestibule.admin"  # of this server's own administration; no upstream has it

# Clients of every MCP era ask for these out of habit: the refresh token is given anyway, and the ID token that `openid`
# would ask for belongs to identity providers. They are taken without a word and granted to nobody as a permission.
_TAKEN_WITHOUT_MEANING = frozenset({OFFLINE_ACCESS, OPENID, "profile", "email", "claudeai"})


def read_scope(text: str) -> tuple[str, ...]:
    """The scopes of a request in their order, each once. Raises `InvalidScope`."""
    scopes = tuple(dict.fromkeys(text.split(" "))) if text else ()
    scopes = tuple(scope for scope in scopes if scope)
    if len(scopes) > MAX_SCOPES or not all(_TOKEN.match(scope) for scope in scopes):
        raise InvalidScope("The scope is not a list of scope tokens separated by single spaces (RFC 6749 §3.3).")
    return scopes


def write_scope(scopes: Iterable[str]) -> str:
    return " ".join(scopes)


def grantable(
    requested: tuple[str, ...], offered: tuple[str, ...], default: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    """Which scopes a request may be granted at a resource that offers `offered`.

    A request for nothing gets `default` (all, when left out), as does one that asks for nothing but habits. A scope
    that nobody here knows is refused, not dropped: the client would wonder why its calls fail.
    """
    wanted = tuple(scope for scope in requested if scope not in _TAKEN_WITHOUT_MEANING or scope in offered)
    if unknown := [scope for scope in wanted if scope not in offered]:
        raise InvalidScope(
            f"This resource has no scope {' '.join(unknown)[:200]!r}.",
            action=f"It has: {write_scope(offered)}." if offered else "It has none.",
        )
    return wanted or (offered if default is None else default)


def narrowed(requested: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes of a refreshed access token: all that was granted, or the subset that was asked for (RFC 6749 §6)."""
    wanted = tuple(scope for scope in requested if scope not in _TAKEN_WITHOUT_MEANING or scope in granted)
    if wider := [scope for scope in wanted if scope not in granted]:
        raise InvalidScope(
            f"The scope {' '.join(wider)[:200]!r} is wider than what was granted.",
            action="Send the person through /authorize again to ask for more.",
        )
    return wanted or granted


def permitted(
    scopes: tuple[str, ...], roles: frozenset[str], permissions: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    """The scopes that a person of these roles may be granted. `permissions`: role → scopes that only it gives.

    A scope that no role is said to give is anybody's. Raises `InvalidScope` when nothing is left.
    """
    reserved = frozenset[str]().union(*permissions.values())
    theirs = frozenset[str]().union(*(given for role, given in permissions.items() if role in roles))
    left = tuple(scope for scope in scopes if scope not in reserved or scope in theirs)
    if scopes and not left:
        raise InvalidScope(
            "This person has no role that gives any of these scopes.", action="Ask whoever gives roles for one."
        )
    return left
