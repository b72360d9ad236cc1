"""Query strings and form bodies, read one way only.

OAuth forbids repeated parameters and treats an empty one as left out (RFC 6749 §3.1, §3.2); `resource` alone may stand
several times (RFC 8707 §2). Percent-encoding must decode to UTF-8, or the request is refused: two readings of one
request are how checks get skipped.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from vestibule.errors import InvalidRequest

MAX_PARAMETERS = 100
_REPEATABLE = frozenset({"resource"})
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one request. `get` gives "" for what is missing or empty: OAuth knows no difference."""

    values: Mapping[str, str]
    resources: tuple[str, ...] = ()
    repeated: frozenset[str] = frozenset()

    def get(self, name: str) -> str:
        return self.values.get(name, "")

    def has(self, name: str) -> bool:
        return bool(self.values.get(name))

    def check_single(self, *names: str) -> None:
        """Raise `InvalidRequest` when any of these (or anything at all, if none is named) stands more than once."""
        if found := self.repeated & set(names) if names else self.repeated:
            raise InvalidRequest(f"The parameter {min(found)[:50]!r} stands more than once.", action="Send it once.")


def read_parameters(encoded: str) -> Parameters:
    """Parse `application/x-www-form-urlencoded` text. Raises `InvalidRequest`."""
    values: dict[str, str] = {}
    resources: list[str] = []
    repeated: set[str] = set()
    pairs = encoded.split("&") if encoded else []
    if len(pairs) > MAX_PARAMETERS:
        raise InvalidRequest(f"A request has at most {MAX_PARAMETERS} parameters.")
    for pair in pairs:
        if not pair:
            continue
        name, _, value = pair.partition("=")
        name, value = _decode(name), _decode(value)
        if name in _REPEATABLE:
            if value:
                resources.append(value)
        elif name in values:
            repeated.add(name)
        else:
            values[name] = value
    return Parameters(values, tuple(resources), frozenset(repeated))


def _decode(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise InvalidRequest("The request has a broken percent-escape.", action="Encode it as UTF-8, then percent.")
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The request is not UTF-8.", action="Encode it as UTF-8, then percent.") from error
    if "\x00" in decoded:
        raise InvalidRequest("The request has a NUL character.")
    return decoded
