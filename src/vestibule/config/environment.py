"""The environment as configuration: VESTIBULE_A__B, lists by index, and the names that other systems used.

A variable's text is taken to the letter, except that one that begins with [ { " or ' is read as YAML; so a secret of
digits stays what it is. A name that no key has is a fault, as is an empty value: an operator who sets a variable means
something by it.
"""

from collections.abc import Mapping
from typing import Any

from vestibule.config.foreign import faults_of_foreign_names, foreign_values
from vestibule.config.paths import KeyPath, dotted, walk
from vestibule.config.values import FromEnvironment
from vestibule.config.yaml_file import Document, read_yaml
from vestibule.errors import Fault

PREFIX = "VESTIBULE_"
CONFIG_FILE = "VESTIBULE_CONFIG"


def overlay_environment(document: dict[str, Any], environ: Mapping[str, str], sources: dict[str, str]) -> list[Fault]:
    """Put what the environment says into `document`, and which variable said it into `sources`; returns the faults."""
    faults = list(faults_of_foreign_names(environ))
    references = {value.removeprefix("env:") for _, value in walk(document) if isinstance(value, str)}
    for name, path, value in foreign_values(environ):
        if _set_default(document, path, FromEnvironment(value) if isinstance(value, str) else value):
            sources[dotted(path)] = name
    # A variable that the file refers to (env:VESTIBULE_…) is a secret, not a key. Lower numbers come first, so that a
    # list may grow: …__9__… before …__10__….
    for name in sorted(environ, key=_in_order):
        if name.startswith(PREFIX) and name != CONFIG_FILE and name not in references:
            faults += _put_variable(document, name, environ[name], sources)
    return faults


def _in_order(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in name.split("__")]


def _put_variable(document: dict[str, Any], name: str, text: str, sources: dict[str, str]) -> list[Fault]:
    if not text.strip():
        return [Fault(name, "the variable is empty", "unset it, or give it a value")]
    read = _read(text, name)
    if read.faults:
        return read.faults
    path: KeyPath = tuple(
        int(part) if part.isdecimal() else part for part in name.removeprefix(PREFIX).lower().split("__")
    )
    if "" in path:
        return [Fault(name, "the variable names no key", "write VESTIBULE_A__B for the key b of a")]
    if not _put(document, path, read.values):
        return [
            Fault(
                name, "it does not fit what the file says there", "number lists from 0 without gaps, or use one place"
            )
        ]
    for length in range(1, len(path)):
        sources.setdefault(dotted(path[:length]), name)
    sources[dotted(path)] = name
    for below, _ in walk(read.values, path):
        sources[dotted(below)] = name
    return []


def _read(text: str, name: str) -> Document:
    if text.lstrip()[0] not in "[{\"'":
        return Document(values=FromEnvironment(text))
    document = read_yaml(text, name)
    document.values = _trusted(document.values)
    return document


def _trusted(value: Any) -> Any:
    if isinstance(value, str):
        return FromEnvironment(value)
    if isinstance(value, dict):
        return {key: _trusted(one) for key, one in value.items()}
    return [_trusted(one) for one in value] if isinstance(value, list) else value


def _set_default(document: dict[str, Any], path: KeyPath, value: Any) -> bool:
    """Set it where the file says nothing: a general name like LOG_LEVEL is weaker than a key that means us."""
    node: Any = document
    for part in path[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            return False
    if path[-1] in node:
        return False
    node[path[-1]] = value
    return True


def _put(node: Any, path: KeyPath, value: Any) -> bool:
    """Set one value deep inside; numbers are places in a list, which may grow by one."""
    part, rest = path[0], path[1:]
    if isinstance(node, list) and isinstance(part, int) and part <= len(node):
        if part == len(node):
            node.append(_room_for(rest))
    elif isinstance(node, dict) and isinstance(part, str):
        if rest and part not in node:
            node[part] = _room_for(rest)
    else:
        return False
    if rest:
        return _put(node[part], rest, value)
    node[part] = value
    return True


def _room_for(rest: KeyPath) -> Any:
    return None if not rest else [] if isinstance(rest[0], int) else {}
