"""The kinds of values that the file has: durations, sizes, names, secrets. Addresses are in `addresses`.

A value that cannot be read is told in two clauses, what is wrong and what to do; neither repeats the value, because
nobody can know what an operator pasted into the wrong line.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Protocol
from urllib.parse import parse_qs, urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from vestibule.model import Secret

WRONG = "vestibule"
"""The type of the pydantic errors that carry our own words."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\Z")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB|KiB|MiB|GiB)?\Z")
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_LONGEST = timedelta(days=3650)


class ReadSecret(Protocol):
    """Resolves `env:` and `file:` references; see `vestibule.config.secrets`."""

    def __call__(self, reference: str) -> Secret: ...


class FromEnvironment(str):
    """Text that an environment variable held. A secret may stand there as it is; in a file that people share, not."""

    __slots__ = ()


def wrong(reason: str, fix: str) -> PydanticCustomError:
    return PydanticCustomError(WRONG, "{reason}", {"reason": reason, "fix": fix})


def read_duration(value: Any) -> timedelta:
    """30s, 10m, 8h, 30d; a bare number is seconds."""
    if isinstance(value, timedelta):
        return value
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    found = _DURATION.match(text) if isinstance(text, str) else None
    if found is None:
        raise wrong("it is not a duration", "write a number and a unit, such as 45s, 10m, 8h or 30d")
    seconds = float(found[1]) * _UNITS[found[2] or "s"]
    return min(timedelta(seconds=min(seconds, _LONGEST.total_seconds())), _LONGEST)


def write_duration(value: timedelta) -> str:
    """As a person would write it: 10m, not 600s."""
    seconds = value.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def read_size(value: Any) -> int:
    """10MB, 512KiB; a bare number is bytes."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = _SIZE.match(text) if isinstance(text, str) else None
    if found is None:
        raise wrong("it is not a size", "write bytes, or a number and a unit, such as 512KiB or 10MB")
    return int(found[1]) * _BYTES[found[2] or "B"]


def read_secret(value: Any, info: ValidationInfo) -> Secret:
    """A reference, resolved by the reader that the loader put into the context."""
    if isinstance(value, Secret):
        return value
    reader: ReadSecret | None = (info.context or {}).get("read_secret")
    if not isinstance(value, str) or reader is None:
        raise wrong("it is not a reference to a secret", "write env:NAME or file:/path")
    return reader(value)


def read_variable(value: Any, info: ValidationInfo) -> Secret:
    """What a program of the operator's is given: a reference to a secret, or a text as it is."""
    if isinstance(value, str) and not value.startswith(("env:", "file:")):
        return Secret(str(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Secret(str(value))
    if not isinstance(value, str | Secret):
        raise wrong("it is not a text", "write it in quotes, or env:NAME, or file:/path")
    return read_secret(value, info)


def read_store(value: Any, info: ValidationInfo) -> Any:
    """A database address; one with a password in it is a secret, and comes like one."""
    reader: ReadSecret | None = (info.context or {}).get("read_secret")
    if not isinstance(value, str) or reader is None:
        return value
    holds_password = re.match(r"[a-z+]+://[^/@]*:[^/@]+@", value) or re.search(r"[?&]password=", value)
    if value.startswith(("env:", "file:")) or holds_password:
        return reader(value).reveal()
    return value


def read_shared(value: Any, info: ValidationInfo) -> Any:
    """memory, or the address of a Redis or Valkey server; with a password in it, a secret as any other."""
    address = read_store(value, info)
    if not isinstance(address, str) or address == "memory":
        return address
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in _SHARED and bool(parts.path if parts.scheme == "unix" else parts.hostname)
        is_address = is_address and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise wrong("it is neither memory nor a Redis or Valkey server", "write memory, or redis://host:6379/0")
    if parts.fragment or not set(parse_qs(parts.query, keep_blank_values=True)) <= {"db"}:
        # redis-py takes any of its settings from there, ssl_cert_reqs=none too.
        raise wrong("only db may stand in its query: nothing there changes how it is connected to", "remove the rest")
    return address


_SHARED = frozenset({"redis", "rediss", "valkey", "valkeys", "unix"})

Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(write_duration),
    WithJsonSchema({"type": ["string", "number"], "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)?$"}),
]

Size = Annotated[
    int,
    BeforeValidator(read_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d+\s*(B|KB|MB|GB|KiB|MiB|GiB)?$"}),
]

SecretValue = Annotated[
    Secret,
    BeforeValidator(read_secret),
    PlainSerializer(repr),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "examples": ["env:CLIENT_SECRET", "file:/run/secrets/client"]},
    ),
]

VariableValue = Annotated[
    Secret,
    BeforeValidator(read_variable),
    PlainSerializer(repr),
    WithJsonSchema({"type": ["string", "number"], "examples": ["production", "env:TICKETS_KEY"]}),
]

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")]

StoreAddress = Annotated[str, BeforeValidator(read_store), WithJsonSchema({"type": "string", "minLength": 1})]

SharedAddress = Annotated[str, BeforeValidator(read_shared), WithJsonSchema({"type": "string", "minLength": 1})]

HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")]

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
