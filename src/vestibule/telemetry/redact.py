"""Taking secrets out of what is logged: by the key that holds them, and by what they look like.

The first line of defence is not to log them at all; this is the second. Values are also bounded, and control, format
and other invisible characters are written as escapes, so that one event is one line whatever a client calls itself.
"""

import re
from collections.abc import Mapping
from typing import Any

MASK = "[masked]"
MAX_VALUE = 1000  # characters
MAX_ITEMS = 50
MAX_DEPTH = 4

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_KEY = re.compile(
    r"(?:^|[_.-])(?:token|secret|password|passwd|passphrase|cookie|verifier|assertion|nonce|csrf|credential|"
    r"authorization|(?:api|secret|private)[_-]?key|jwt)s?$"
)
# A refusal's code and a machine's state are no secrets; a grant's code and a sign-in's state are.
_SECRET_UNLESS_A_NAME = frozenset({"code", "state"})
_NAME = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)*|-?\d{1,5}")

_PARAMETERS = (
    "code|state|nonce|txn|csrf|(?:client_|device_|user_)?code|code_verifier|(?:access_|refresh_|id_|subject_|actor_)?token|"
    "id_token_hint|(?:client_)?secret|(?:client_)?assertion|saml_?response|password|api_?key|sig|signature"
)
_SECRET_VALUE = re.compile(
    rf"""
      \b v(?:at|rt|ac|cs|sk)_ [\w-]{{4,}}                            # our own tokens, codes, client secrets, keys
    | \b eyJ [\w-]{{6,}} (?: \. [\w-]* ){{0,4}}                       # JWS and JWE, and halves of them
    | (?<= \b bearer [ ] ) [^\s,;"'\\]+                             # Authorization, whatever scheme
    | (?<= \b basic [ ] ) [\w+/=-]{{4,}}
    | (?<= \b dpop [ ] ) [^\s,;"'\\]+
    | (?<= :// ) [^\s/@"'\\]+ (?= @ )                               # user and password of a URL
    | (?: \b | (?<= %3f ) | (?<= %26 ) ) (?: {_PARAMETERS} ) (?: = | %3D | "\s*:\s*" | '\s*:\s*' ) [^&\s"'\\,;]+
    """,
    re.IGNORECASE | re.VERBOSE,
)


def clean(value: Any, *, limit: int = MAX_VALUE, depth: int = 0) -> Any:
    """`value` as it may stand in a log line: text, numbers, and lists and mappings of them."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        items = list(value.items())[:MAX_ITEMS]
        return {clean(str(key), limit=100): clean_as(str(key), one, limit=limit, depth=depth + 1) for key, one in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(one, limit=limit, depth=depth + 1) for one in list(value)[:MAX_ITEMS]]
    return clean_text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value), limit=limit)


def clean_as(key: str, value: Any, *, limit: int = MAX_VALUE, depth: int = 0) -> Any:
    """`value` as what stands under `key`."""
    return MASK if is_secret(key, value) else clean(value, limit=limit, depth=depth)


def is_secret(key: str, value: Any) -> bool:
    key = _CAMEL.sub("_", key).lower()
    if key in _SECRET_UNLESS_A_NAME:
        return not (value is None or isinstance(value, int) or (isinstance(value, str) and _NAME.fullmatch(value)))
    return _SECRET_KEY.search(key) is not None and value not in (None, "", True, False)


def clean_text(text: str, *, limit: int = MAX_VALUE) -> str:
    # Cut first, because a megabyte is not worth a search; with room, so that what is cut in two is still recognised.
    kept = _SECRET_VALUE.sub(_mask, text[: limit * 2 + 1000])
    kept = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in kept)
    return kept if len(kept) <= limit else f"{kept[: limit - 1]}…"


def _mask(found: re.Match[str]) -> str:
    """The name of a parameter stays: which one it was helps, what it said does not."""
    name = re.match(rf"({_PARAMETERS})(=|%3D|\W+)", found[0], re.IGNORECASE)
    return f"{name[1]}{name[2]}{MASK}" if name is not None else MASK
