"""Parameters of a tool that stand in headers as well, because the tool's schema says so.

Source: 2026-07-28, transports, "Custom headers from tool parameters": `x-mcp-header` on a property reached through
`properties` alone, of type string, integer or boolean, makes `Mcp-Param-<name>`. Whoever has both must refuse one that
contradicts the other. A schema that declares it wrongly declares nothing: clients leave such a tool out.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vestibule.errors import HeaderMismatch
from vestibule.protocol.operation import decode_header

PREFIX = b"mcp-param-"
_ANNOTATION = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TYPES = ("string", "integer", "boolean")
_DECIMAL = re.compile(r"-?[0-9]{1,100}(?:\.0+)?")
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class DeclaredHeader:
    path: tuple[str, ...]  # of property names, from the arguments on
    name: bytes  # of the header, in lower case
    is_integer: bool


def declared_headers(schema: object) -> tuple[DeclaredHeader, ...]:
    """What a tool's input schema declares."""
    found: list[DeclaredHeader] = []
    if not _walk(schema, (), found) or len({one.name for one in found}) != len(found):
        return ()
    return tuple(found)


def _walk(schema: object, path: tuple[str, ...], found: list[DeclaredHeader]) -> bool:
    """False: something is declared wrongly."""
    if not isinstance(schema, dict) or len(path) > _DEEPEST:
        return True
    if _ANNOTATION in schema:
        name, kind = schema[_ANNOTATION], schema.get("type")
        if not path or not isinstance(name, str) or not _TOKEN.fullmatch(name) or kind not in _TYPES:
            return False
        found.append(DeclaredHeader(path, PREFIX + name.lower().encode("ascii"), kind == "integer"))
    properties = schema.get("properties")
    inner = properties.items() if isinstance(properties, dict) else ()
    return all(_walk(one, (*path, name), found) for name, one in inner)


def check_declared(
    declared: Iterable[DeclaredHeader], arguments: Mapping[str, Any], headers: Iterable[tuple[bytes, bytes]]
) -> None:
    """Raises `HeaderMismatch`. `headers`: names in lower case."""
    sent: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name.startswith(PREFIX):
            sent.setdefault(name, []).append(value)
    for one in declared:
        values = sent.get(one.name, [])
        text = _text(_value_at(arguments, one.path))
        if len(values) > 1:
            raise HeaderMismatch(f"The header {one.name.decode()} stands more than once.", action="Send it once.")
        if (text is None) != (not values):
            raise HeaderMismatch(
                f"The header {one.name.decode()} and its argument are not both there.",
                action="Send both, or none of them.",
            )
        if text is not None and not _agrees(one, text, decode_header(values[0])):
            raise HeaderMismatch(
                f"The header {one.name.decode()} is not what the argument says.", action="Send the same in both."
            )


def _value_at(arguments: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: Any = arguments
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _text(value: object) -> str | None:
    """How a client writes it; None for what it does not write: null, lists, objects."""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value) if isinstance(value, str | int | float) else None
    except ValueError:  # more digits than anybody writes
        return None


def _agrees(one: DeclaredHeader, text: str, said: str | None) -> bool:
    if said is None:
        return False
    if one.is_integer and _DECIMAL.fullmatch(said) and _DECIMAL.fullmatch(text):
        return int(said.partition(".")[0]) == int(text.partition(".")[0])
    return said == text
