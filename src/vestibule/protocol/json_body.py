"""JSON that strangers send: one reading only, bounded in size and depth.

Python's own decoder is asked to see duplicate keys; depth is counted before it runs, because 100,000 brackets cost a
recursive decoder its stack.
"""

import json
from typing import Any, NoReturn

MAX_DEPTH = 16


class UnreadableJson(ValueError):
    """The text is not one JSON value that everybody would read alike."""


def read_object(body: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The JSON object in `body`. Raises `UnreadableJson` with a reason that may be shown."""
    value = _read(body, max_depth)
    if not isinstance(value, dict):
        raise UnreadableJson("It is not a JSON object.")
    return value


def read_list(body: bytes, *, max_depth: int = MAX_DEPTH) -> list[Any]:
    """The JSON array in `body`. Raises `UnreadableJson`."""
    value = _read(body, max_depth)
    if not isinstance(value, list):
        raise UnreadableJson("It is not a JSON array.")
    return value


def _read(body: bytes, max_depth: int) -> Any:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableJson("It is not UTF-8.") from error
    # What cannot be too deep is not counted one character after the other: most tokens and documents.
    if text.count("{") + text.count("[") > max_depth and _depth(text) > max_depth:
        raise UnreadableJson(f"It is nested deeper than {max_depth} levels.")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnreadableJson:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableJson("It is not JSON.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableJson("A key stands twice in one object.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise UnreadableJson(f"{name} is not JSON.")


def _depth(text: str) -> int:
    depth = deepest = 0
    inside = escaped = False
    for char in text:
        if inside:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                inside = False
        elif char == '"':
            inside = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > 1000:
                return deepest
        elif char in "]}":
            depth -= 1
    return deepest
