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
class Command:
    """A server that is a child process and speaks MCP on its standard input and output."""

    arguments: tuple[str, ...]  # the program first; no shell reads them
    environment: Mapping[str, Secret] = field(default_factory=dict)  # all that it gets, beside PATH and the like
    working_directory: str = ""
    instances: Literal["per-principal", "shared"] = "per-principal"  # shared: one for each tenant
    idle: timedelta = timedelta(minutes=10)  # until one that nobody asks is stopped
    stop_grace: timedelta = timedelta(seconds=2)  # from the end of its input to SIGTERM, and from there to SIGKILL
    max_instances: int = 100


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where an MCP server is, who may reach it, and what we show it."""

    name: str
    url: str = ""  # http://host:port/path of its endpoint; empty for a command, and for what a proxy serves
    served_by: Literal["gateway", "proxy"] = "gateway"  # proxy: somebody's own, which asks us at /auth
    trust_routing_headers: bool = (
        False  # a proxy's: its server refuses a body that is not what Mcp-Method, Mcp-Name say
    )
    transport: Literal["streamable-http", "sse", "stdio"] = "streamable-http"
    socket: str = ""  # the file of a Unix socket that `url` is to be asked at
    command: Command | None = None
    access: Literal["required", "api-key-only", "anonymous"] = "required"
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
    members: tuple["Upstream", ...] = ()  # of an aggregate: those that it stands for; decided is by them alone
    hide_denied: bool = False  # leave tools out of listings that the caller may not call


@dataclass(frozen=True, slots=True)
class Resource:
    """One address at which an upstream is served: the audience of tokens, and a document of RFC 9728."""

    identifier: str  # canonical: https://mcp.example.com/tickets/mcp
    path: str  # the request path that it answers at
    upstream: Upstream
    aliases: tuple[str, ...] = ()  # identifiers that an old client may name instead
    message_path: str = ""  # of HTTP+SSE (2024-11-05): where messages go; `path` is the stream's
    must_be_named: bool = False  # never what a request means that names none; none of its scopes is offered by itself
