"""Reading what a provider asserted: texts of bounded length, verified addresses, and roles.

Whatever comes from here has passed a limit. The claims themselves have been verified elsewhere; that they are signed
does not make them harmless: a provider lets people write parts of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vestibule.protocol.registration import clean_name

MAX_CLAIM = 1024  # characters of a claim that is read
MAX_VALUES = 5000  # values of one claim that are read
MAX_ROLES = 256
MAX_ROLE = 128  # characters


def text_of(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value[:MAX_CLAIM] if isinstance(value, str) else ""


def verified_email(claims: Mapping[str, Any]) -> str:
    """The address, when the provider itself says that it is verified and it has exactly one `@`."""
    # `is True`: "true", 1 and a missing claim have all been taken for verification by others (CVE-2026-41574).
    return plain_email(text_of(claims, "email")) if claims.get("email_verified") is True else ""


def plain_email(address: str) -> str:
    """`address` as it came, or nothing where two readers could see two domains in it, or it had to be cleaned first:
    what is cut off or trimmed may end in another domain."""
    return address if address.count("@") == 1 and clean_name(address) == address else ""


def values_at(claims: Mapping[str, Any], path: str) -> Iterator[str]:
    """The texts at a dotted path: one, or a list of them.

    The whole path is tried as one name first, because Auth0 names its claims by URLs (https://example.com/roles).
    """
    node: Any = claims.get(path)
    if node is None:
        node = claims
        for part in path.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
    values = node if isinstance(node, list) else [node]
    yield from (value for value in values[:MAX_VALUES] if isinstance(value, str))


def roles_from(claims: Mapping[str, Any], paths: Sequence[str], names: Mapping[str, str]) -> frozenset[str]:
    """The roles that the configuration makes of these claims: each value by itself, or renamed by `names`.

    A value that reads like one of the new names gives nothing: a group that somebody called `admin` must not become
    what only <the id of the administrators' group> is renamed to.
    """
    renamed: set[str] = set()
    plain: set[str] = set()
    for path in paths:
        for value in values_at(claims, path):
            if value in names:
                renamed.add(names[value])
            elif value not in names.values() and _is_role(value):
                plain.add(value)
    kept = [*sorted(renamed), *sorted(plain - renamed)]
    return frozenset(kept[:MAX_ROLES])


def _is_role(value: str) -> bool:
    return 0 < len(value) <= MAX_ROLE and value.isprintable() and value == value.strip()
