"""The arguments that rules look at, bounded: whoever calls chooses them, and pays nothing for their size."""

from collections.abc import Iterable, Mapping
from typing import Any

MAX_VALUES = 1000
MAX_TEXT = 16 * 1024  # characters in all
MAX_DEPTH = 16


class TooMuch(Exception):
    """More than a rule is given to look at; no values in the text."""


def named(arguments: Mapping[str, Any] | None, names: Iterable[str]) -> dict[str, Any]:
    """Those of `names` that the call has. Raises `TooMuch`."""
    if not arguments:
        return {}
    wanted = tuple(names)
    found = {name: arguments[name] for name in wanted if name in arguments}
    _check_spelling(arguments, wanted)
    _check_size(found)
    return found


def _check_spelling(arguments: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
    """Some servers (Go's, C#'s) take `Force` for `force`: whether a rule about it is met, nobody could say."""
    folded = {name.casefold() for name in wanted}
    if any(name not in wanted and name.casefold() in folded for name in arguments):
        raise TooMuch("an argument differs in case alone from one that the rule names")


def _check_size(found: dict[str, Any]) -> None:
    values, text = 0, 0
    level: list[Any] = list(found.values())
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        values += len(level)
        for value in level:
            if isinstance(value, str):
                text += len(value)
            elif isinstance(value, list):
                deeper.extend(value)
            elif isinstance(value, dict):
                text += sum(map(len, value))
                deeper.extend(value.values())
        if values + len(deeper) > MAX_VALUES or text > MAX_TEXT:
            raise TooMuch(f"the arguments are larger than {MAX_VALUES} values or {MAX_TEXT} characters")
        if not deeper:
            return
        level = deeper
    raise TooMuch(f"the arguments are nested deeper than {MAX_DEPTH}")
