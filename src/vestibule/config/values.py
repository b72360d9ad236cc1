"""The kinds of values that the file has: durations, secrets, addresses."""

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

from vestibule.model import Secret

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\Z")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def read_duration(value: Any) -> Any:
    """30s, 10m, 8h, 30d; a bare number is seconds."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    found = _DURATION.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("is not a duration such as 30s, 10m, 8h or 30d")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(lambda value: f"{value.total_seconds():g}s"),
    WithJsonSchema({"type": ["string", "number"], "examples": ["45s", "10m", "8h", "30d"]}),
]


def read_secret(value: Any, info: ValidationInfo) -> Any:
    """A reference, resolved by the reader that the loader put into the context."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("is not a reference to a secret")
    context: Any = info.context
    return context["read_secret"](value)


SecretValue = Annotated[
    Secret,
    BeforeValidator(read_secret),
    PlainSerializer(lambda value: "…"),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A reference to a secret: file:/path or env:NAME.",
            "examples": ["env:CLIENT_SECRET", "file:/run/secrets/client"],
        }
    ),
]


def is_loopback_host(host: str) -> bool:
    """Whether a host name or address leads to this computer only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
