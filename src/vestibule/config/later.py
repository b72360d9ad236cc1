"""Keys and values that are promised (interface.md) and come with later versions.

None of them is taken in silence: an operator who writes `limits:` must not believe that there are some.
"""

import re
from collections.abc import Mapping
from typing import Any

from vestibule.config.paths import KeyPath, dotted, parent_of, remove, walk
from vestibule.errors import Fault

_REMOVE = "remove it"

LATER_KEYS: Mapping[str, tuple[str, str]] = {
    "metrics": ("have metrics", _REMOVE),
    "upstreams[].credential.headers": ("inject several headers", "use header and value for the one that matters"),
    "upstreams[].resource": ("rename resources", _REMOVE),
    "identity_providers[].users": ("have a list of people for the development sign-in", _REMOVE),
}

LATER_VALUES: Mapping[str, tuple[frozenset[str], str]] = {
    "upstreams[].credential.kind": (
        frozenset({"on-behalf-of", "token-exchange", "vault", "client-credentials"}),
        "use kind: static or none",
    ),
}


def take_what_comes_later(document: dict[str, Any]) -> list[Fault]:
    """The faults; what they are about is taken out, so that the rest can be checked as well."""
    faults = []
    for path, value in list(walk(document)):
        pattern = re.sub(r"\[\d+\]", "[]", dotted(path))
        if pattern in LATER_KEYS:
            what, fix = LATER_KEYS[pattern]
            faults.append(_not_yet(path, what, fix))
            remove(document, path)
        elif pattern in LATER_VALUES and isinstance(value, str) and value in LATER_VALUES[pattern][0]:
            faults.append(_not_yet(path, f"have {path[-1]}: {value}", LATER_VALUES[pattern][1]))
            _take_value(document, path)
    return faults


def _take_value(document: dict[str, Any], path: KeyPath) -> None:
    """A kind is what its whole mapping is."""
    if path[-1] == "kind":
        remove(document, path[:-1])
    else:
        remove(parent_of(document, path), path[-1:])


def _not_yet(path: KeyPath, what: str, fix: str) -> Fault:
    return Fault(dotted(path), f"this version does not {what} yet", fix)
