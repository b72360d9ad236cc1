"""Conditions in the Common Expression Language (https://cel.dev), compiled. The only user of cel_expr_python.

Every name that a condition may use is declared with its type, so that a misspelt name, a function that is not there or
a comparison of a list with a text is found at the start. What can go wrong later (a key that an argument lacks, a
number too large) makes the condition neither true nor false, and the caller decides what that means.

What an evaluation may cost is bounded: regular expressions are RE2's, which take linear time; comprehensions end after
10,000 steps in all (the library's own limit); and callers bound what they pass in.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

MAX_LENGTH = 2000

TEXTS = (
    "principal.user principal.subject principal.issuer principal.tenant principal.client_id principal.shown "
    "tenant upstream resource method tool name".split()
)
LISTS = ("principal.scopes", "principal.roles")
ARGUMENTS, NOW = "arguments", "now"
NAMES = (*TEXTS, *LISTS, ARGUMENTS, NOW)

_PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_TOKEN = re.compile(
    r"""(?P<text>[rR]?(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<mark>[^\s])"""
)


class NotACondition(ValueError):
    """The text does not compile, or is no question. What is wrong stands in its words."""


class NotDecided(Exception):
    """The condition can be neither true nor false. `kind` names no value; the whole text may hold some."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        found = re.match(r"[A-Z_]+(?=:)", text)
        self.kind = found[0] if found else "ERROR"


class NoCel(Exception):
    """The library is not installed."""


class Condition:
    """A condition, and which of the changing variables it looks at."""

    def __init__(self, text: str) -> None:
        """Raises `NotACondition`, `NoCel`."""
        if len(text) > MAX_LENGTH:
            raise NotACondition(f"it is longer than {MAX_LENGTH} characters")
        if "\0" in text:
            raise NotACondition("it has a NUL character in it")
        self._program = _compile(text, ())
        if self._program.return_type().name() != "BOOL":
            raise NotACondition("it gives no answer of true or false")
        written = "".join(text.split())
        self._names = tuple(name for name in NAMES if name in written)  # and perhaps some that it does not use
        self.uses_now = not _compiles(text, NOW)
        self.uses_arguments = not _compiles(text, ARGUMENTS)

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Raises `NotDecided`."""
        used = {name: variables[name] for name in self._names if name in variables}
        # The library ends a text at its first NUL, so that "internal\0x" would be equal to "internal".
        if any(map(_has_nul, used.values())):
            raise NotDecided("INVALID_ARGUMENT: a text has a NUL character in it")
        try:
            answer = self._program.eval(data=used).value()
        except Exception as error:  # the library raises what it likes for a value that it cannot take
            raise NotDecided(str(error)) from None
        if answer is True or answer is False:
            return answer
        raise NotDecided(str(answer))  # CEL's errors are values


def argument_names(text: str) -> frozenset[str]:
    """The arguments that a condition names: `arguments.x`, `arguments["x"]`, `"x" in arguments`.

    It reads the text and not its meaning, so what it does not find may still be there: arguments[tool].
    """
    parts = [(kind, found[kind]) for found in _TOKEN.finditer(text) if (kind := found.lastgroup) is not None]
    names = set()
    for index, part in enumerate(parts):
        before = parts[index - 1][1] if index else ""
        if part != ("name", ARGUMENTS) or before == ".":
            continue
        match parts[index + 1 : index + 3]:
            case [("mark", "."), ("name", name)]:
                names.add(name)
            case [("mark", "["), ("text", quoted)]:
                names.add(quoted.strip("\"'"))
        if before == "in" and index > 1 and parts[index - 2][0] == "text":
            names.add(parts[index - 2][1].strip("\"'"))
    return frozenset(names)


def _has_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case list():
            return any(map(_has_nul, value))
        case dict():
            return any(map(_has_nul, value)) or any(map(_has_nul, value.values()))
    return False


def _compiles(text: str, without: str) -> bool:
    """The checker knows which names are which, also where a comprehension has a name of its own."""
    try:
        _compile(text, (without,))
    except NotACondition:
        return False
    return True


def _compile(text: str, without: tuple[str, ...]) -> Any:
    try:
        return _environment(without).compile(text)
    except RuntimeError as error:
        found = _PLACE.search(str(error))
        if found is None:
            raise NotACondition(f"it does not compile: {str(error).splitlines()[0][:200]}") from None
        line, column, what = found[1], found[2], _in_short(found[3])
        place = f"line {line}, column {column}" if line != "1" else f"column {column}"
        raise NotACondition(f"it does not compile: {what} ({place})") from None


def _in_short(what: str) -> str:
    """Without what tells nobody anything: the container, which has no name, and every token that could follow."""
    return what.removesuffix(" (in container '')").partition(" expecting {")[0][:200]


@cache
def _environment(without: tuple[str, ...]) -> Any:
    try:
        from cel_expr_python import cel  # 9 MB, for those who have rules
    except ImportError:
        raise NoCel from None

    kinds = {
        **dict.fromkeys(TEXTS, cel.Type.STRING),
        **dict.fromkeys(LISTS, cel.Type.List(cel.Type.STRING)),
        ARGUMENTS: cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
        NOW: cel.Type.TIMESTAMP,
    }
    return cel.NewEnv(variables={name: kind for name, kind in kinds.items() if name not in without})
