"""How often callers may call: the section `limits`."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from vestibule.config.authorization import GrantName
from vestibule.config.sections import Model
from vestibule.config.values import Name, wrong
from vestibule.model import Rate

Part: TypeAlias = Literal["tenant", "principal", "client", "address"]
PARTS: tuple[Part, ...] = get_args(Part)

_RATE = re.compile(r"(\d{1,12})\s*/\s*(second|minute|hour|day)")
_PERIODS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_MOST = 100_000  # a second: what no process serves


def read_rate(value: Any) -> Rate:
    """200/minute."""
    if isinstance(value, Rate):
        return value
    found = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise wrong("it is not a rate", "write a number and second, minute, hour or day, such as 200/minute")
    rate = Rate(int(found[1]), _PERIODS[found[2]])
    if rate.count == 0:
        raise wrong("nobody could ever call", "write a number above 0, or leave the key out")
    if rate.count > _MOST * rate.period.total_seconds():
        raise wrong("it is no limit: nobody gets so far", f"stay below {_MOST}/second, or leave the key out")
    return rate


def read_rates(value: Any) -> Rate | dict[str, Rate]:
    """One rate for every part of `per`, or a rate for each part that is named."""
    if not isinstance(value, dict):
        return read_rate(value)
    unknown = [str(part) for part in value if part not in PARTS]
    if unknown or not value:
        raise wrong("it names something that is not counted", f"name some of: {', '.join(PARTS)}")
    return {part: read_rate(rate) for part, rate in value.items()}


def write_rate(rate: Rate) -> str:
    return f"{rate.count}/{next(name for name, period in _PERIODS.items() if period == rate.period)}"


def write_rates(value: Rate | dict[str, Rate]) -> str | dict[str, str]:
    return write_rate(value) if isinstance(value, Rate) else {part: write_rate(rate) for part, rate in value.items()}


_RATE_SCHEMA = {"type": "string", "pattern": r"^\s*\d{1,12}\s*/\s*(second|minute|hour|day)\s*$"}

Rates = Annotated[
    Rate | dict[str, Rate],
    BeforeValidator(read_rates),
    PlainSerializer(write_rates),
    WithJsonSchema(
        {
            "oneOf": [
                _RATE_SCHEMA,
                {"type": "object", "propertyNames": {"enum": PARTS}, "additionalProperties": _RATE_SCHEMA},
            ]
        }
    ),
]


class LimitsConfig(Model):
    """How often callers may call. A rate is so many in a period, all of them at once if nothing came before."""

    default: Rates | None = Field(
        None, description="For mcp and oauth, where they say nothing.", examples=["100/minute"]
    )
    mcp: Rates | None = Field(
        None,
        description="MCP calls: one rate for each part of per, or a mapping from tenant, principal, client and address "
        "to their rates.",
        examples=["200/minute", {"tenant": "2000/minute", "principal": "200/minute"}],
    )
    per: tuple[Part, ...] = Field(
        ("principal",),
        description="What MCP calls are counted by, each by itself: tenant, principal, client, address (IPv6: /64).",
        min_length=1,
        examples=[["tenant", "principal", "address"]],
    )
    upstreams: dict[Name, Rates] = Field(
        default_factory=dict,
        description="Upstream → rates of its own. Its calls are counted apart from the others'.",
        examples=[{"tickets": "20/minute"}],
    )
    oauth: Rates | None = Field(
        None,
        description="Tokens that /token gives, for each grant type by itself: one rate for a client at one address, or "
        "a mapping with client (at one address) and address (in all).",
        examples=["20/minute"],
    )
    grants: dict[Literal[GrantName, "refresh_token"], Rates] = Field(
        default_factory=dict,
        description="Grant type → another rate than oauth.",
        examples=[{"refresh_token": "60/minute"}],
    )
