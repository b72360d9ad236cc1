"""What an MCP request asks for, as far as somebody must decide on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from msgspec import Struct


class Reading(IntEnum):
    """How much of a request the decision about it hangs on."""

    NOTHING = 0  # the same for all requests: no body is looked at
    NAME = 1  # the method, and the tool, prompt or resource that it names
    ARGUMENTS = 2  # the arguments of the tool or prompt as well


class Operation(Struct, frozen=True):
    """`name`: of the tool or prompt, or the resource's URI; empty where the method has none. `watches`: the URIs that
    subscriptions/listen is about.

    `method` is empty for what is no request: a GET stream, the end of a session, an answer of the client's. A struct,
    as `AuditEvent` is, for the same reason.
    """

    method: str = ""
    name: str = ""
    arguments: Mapping[str, Any] | None = None  # None: not read, or there are none
    watches: tuple[str, ...] = ()

    @property
    def tool(self) -> str:
        return self.name if self.method == "tools/call" else ""


NO_OPERATION = Operation()  # where none is read


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request shows to be let in, to the letter. `provider` is a hint and never trusted.

    `network`: whose request it is, by its address; it decides nothing but who waits for whom when many are refused.
    `digests`: what it was recognized by, by resource, for whoever shows the same again.
    """

    authorization: bytes | None = field(default=None, repr=False)
    api_key: bytes | None = field(default=None, repr=False)  # X-API-Key
    provider: bytes | None = None  # X-Token-Provider
    network: str = ""
    digests: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
