"""JSON that strangers send: one reading only, bounded in size and depth.

Python's own decoder is asked to see duplicate keys, and numbers that other decoders do not have: NaN, and those beyond
all bounds. Its own limit on recursion ends what is nested without end; ours is
then counted on the brackets alone, a level at a time.
"""

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 16


class UnreadableJson(ValueError):
    """The text is not one JSON value that everybody would read alike."""


def read_object(body: bytes, *, max_depth: int = MAX_DEPTH, half_pairs: bool = True) -> dict[str, Any]:
    """The JSON object in `body`. Raises `UnreadableJson` with a reason that may be shown.

    `half_pairs`: whether a text may have half a surrogate pair, which is text to some readers and none to others.
    """
    value = _read(body, max_depth)
    if not half_pairs and _SURROGATE.search(body) and _has_lone_surrogate(value):
        raise UnreadableJson("A text in it has half a surrogate pair.")
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
    try:
        value = _DECODER.decode(text)
    except UnreadableJson:
        raise
    except RecursionError as error:
        raise UnreadableJson(f"It is nested deeper than {max_depth} levels.") from error
    except ValueError as error:
        raise UnreadableJson("It is not JSON.") from error
    # What cannot be too deep is not counted: most tokens and documents.
    if text.count("{") + text.count("[") > max_depth and _is_deeper(text, max_depth):
        raise UnreadableJson(f"It is nested deeper than {max_depth} levels.")
    return value


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NOT_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^"\[\]{}]++')
_ROUND = str.maketrans("[]{}", "()()")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableJson("A key stands twice in one object.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise UnreadableJson(f"{name} is not JSON.")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise UnreadableJson("A number in it is too large.")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)


def _has_lone_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_deeper(text: str, depth: int) -> bool:
    """Whether the brackets of a text that is JSON are nested deeper than that."""
    brackets = _NOT_BRACKETS.sub("", text).translate(_ROUND)
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace("()", "")  # the innermost level
    return bool(brackets)
