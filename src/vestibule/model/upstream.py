"""An MCP server behind the door, and the resource it is seen as."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from vestibule.model.secret import Secret


@dataclass(frozen=True, slots=True)
class StaticCredential:
    """The same headers for every caller, from a secret."""

    headers: Mapping[str, Secret]


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect: timedelta = timedelta(seconds=3)
    first_byte: timedelta = timedelta(seconds=120)  # from the end of the request to the head of the answer
    idle_stream: timedelta = timedelta(minutes=15)  # between two bytes of a body


@dataclass(frozen=True, slots=True)
class ScopePattern:
    """What everything needs whose name fits `pattern`, in which only `*` and `?` are special."""

    pattern: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where an MCP server is, who may reach it, and what we show it."""

    name: str
    url: str  # http://host:port/path of its streamable HTTP endpoint
    access: Literal["required", "anonymous"] = "required"
    scopes: tuple[str, ...] = ()  # what every call needs
    optional_scopes: tuple[str, ...] = ()  # what may be asked for beside it
    tool_scopes: tuple[ScopePattern, ...] = ()  # what some tools need as well; so the next two
    prompt_scopes: tuple[ScopePattern, ...] = ()
    resource_scopes: tuple[ScopePattern, ...] = ()  # by URI
    tenants: tuple[str, ...] = ()  # the only ones whose people may use it; empty: all
    scope_texts: Mapping[str, str] = field(default_factory=dict)  # for the consent page
    credential: StaticCredential | None = None
    timeouts: Timeouts = Timeouts()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One address at which an upstream is served: the audience of tokens, and a document of RFC 9728."""

    identifier: str  # canonical: https://mcp.example.com/tickets/mcp
    path: str  # the request path that it answers at
    upstream: Upstream
    aliases: tuple[str, ...] = ()  # identifiers that an old client may name instead
