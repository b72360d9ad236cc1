"""The section `upstreams` of the file: MCP servers behind the door, where they are, and who may do what there."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from vestibule.config import defaults
from vestibule.config.addresses import UpstreamUrl
from vestibule.config.sections import Model
from vestibule.config.values import (
    Duration,
    Name,
    SecretValue,
    VariableName,
    VariableValue,
)


class ScopesConfig(Model):
    """The scopes of an upstream."""

    default: tuple[str, ...] = Field(
        (defaults.SCOPE,), description="What every call needs.", examples=[["tickets.read"]]
    )
    optional: tuple[str, ...] = Field(
        (), description="What may be asked for beside it (step-up).", examples=[["tickets.admin"]]
    )
    tools: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="What a tool needs beside the default: scopes by patterns of names, with * and ? only. A tool that "
        "fits several needs the scopes of all. They may be asked for without standing under optional.",
        examples=[{"create_*": ["tickets.write"]}],
    )
    prompts: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="The same for prompts.", examples=[{"report_*": ["tickets.report"]}]
    )
    resources: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="The same for resources, by their URIs.",
        examples=[{"tickets://closed/*": ["tickets.archive"]}],
    )
    texts: dict[str, str] = Field(
        default_factory=dict,
        description="What a scope means, in words for the consent page.",
        examples=[{"tickets.read": "Read your tickets"}],
    )

    @property
    def offered(self) -> tuple[str, ...]:
        """All that may be asked for: the default ones first."""
        patterns = (*self.tools.values(), *self.prompts.values(), *self.resources.values())
        return tuple(dict.fromkeys((*self.default, *self.optional, *(scope for one in patterns for scope in one))))


class NoCredential(Model):
    """The upstream is shown nothing."""

    kind: Literal["none"] = Field("none", description="none: the upstream is shown nothing.")


class StaticCredentialConfig(Model):
    """The same header for every caller, from a secret."""

    kind: Literal["static"] = Field(description="static: the same header for every caller.")
    header: str = Field(
        "Authorization",
        description="The header's name. Only this value ever reaches the upstream under it.",
        examples=["x-functions-key"],
        pattern=r"^[A-Za-z0-9-]{1,100}$",
    )
    value: SecretValue = Field(
        description="The header's whole value (for Authorization with its scheme: `Bearer …`), as file: or env:.",
        examples=["env:TICKETS_KEY"],
    )


CredentialConfig = Annotated[NoCredential | StaticCredentialConfig, Field(discriminator="kind")]


class TimeoutsConfig(Model):
    """How long an upstream may take."""

    connect: Duration = Field(defaults.CONNECT_TIMEOUT, description="To accept a connection.", examples=["3s"])
    first_byte: Duration = Field(defaults.FIRST_BYTE_TIMEOUT, description="To begin its answer.", examples=["120s"])
    idle_stream: Duration = Field(
        defaults.IDLE_STREAM_TIMEOUT, description="Between two bytes of an answer.", examples=["15m"]
    )


class UpstreamConfig(Model):
    """An MCP server behind the door."""

    name: Name = Field(description="Served at /{name}/mcp; a single upstream also at /mcp.", examples=["tickets"])
    url: UpstreamUrl = Field(
        "",
        description="Its endpoint. Either this or command.",
        examples=["http://localhost:3000/mcp"],
    )
    command: tuple[str, ...] = Field(
        (),
        description="A server that speaks MCP on its standard input and output: the program and its arguments, as a "
        "list. No shell reads them. See docs/upstreams.md.",
        examples=[["python", "server.py"]],
    )
    environment: dict[VariableName, VariableValue] = Field(
        default_factory=dict,
        description="Environment variables of the command: a text, or a secret as env: or file:. It gets these, and of "
        "the gateway's own only PATH, HOME, LANG and the like.",
        examples=[{"TICKETS_KEY": "env:TICKETS_KEY", "MODE": "production"}],
    )
    working_directory: str = Field(
        "", description="Where the command runs; where the gateway does, when left out.", examples=["/srv/tickets"]
    )
    instances: Literal["per-principal", "shared"] = Field(
        "per-principal",
        description="Of the command. per-principal: nobody shares a process with somebody else. shared: one process "
        "for all people of a tenant; only for servers that keep nothing of one caller for the next.",
        examples=["shared"],
    )
    idle: Duration = Field(
        defaults.COMMAND_IDLE, description="How long a process that nobody asks is kept.", examples=["10m"]
    )
    max_instances: int = Field(
        100, description="How many processes of the command may run at once.", ge=1, le=10_000, examples=[100]
    )
    socket: str = Field(
        "",
        description="The file of a Unix socket that it is asked at; url then says what it is called there, and its "
        "path.",
        examples=["/run/tickets.sock"],
    )
    served_by: Literal["gateway", "proxy"] = Field(
        "gateway",
        description="gateway: we relay its calls, to url. proxy: your own reverse proxy does, and asks us at /auth "
        "about each; then there is no url. See docs/forward-auth.md.",
        examples=["proxy"],
    )
    trust_routing_headers: bool = Field(
        False,
        description="With served_by: proxy. Whether Mcp-Method and Mcp-Name may decide on a call whose body the proxy "
        "keeps: only before a server of MCP 2026-07-28, which refuses a body that says otherwise.",
        examples=[True],
    )
    title: str = Field("", description="What people are shown. The name, when left out.", examples=["Tickets"])
    transport: Literal["streamable-http", "sse", "stdio"] | None = Field(
        None,
        description="How it is spoken to: streamable-http, sse (HTTP+SSE of 2024-11-05) or stdio. When left out: stdio "
        "for a command, sse if the path of its url ends in /sse, else streamable-http.",
        examples=["sse"],
    )
    access: Literal["required", "api-key-only", "anonymous"] = Field(
        "required",
        description="required: only with an access token or an API key. api-key-only: only with an API key. anonymous: "
        "open to all; off loopback only with --i-know.",
        examples=["required"],
    )
    scopes: ScopesConfig = Field(ScopesConfig(), description="Its scopes.", examples=[{"default": ["tickets.read"]}])
    tenants: tuple[Name, ...] = Field(
        (), description="The only tenants whose people may use it; all, when left out.", examples=[["company"]]
    )
    credential: CredentialConfig = Field(
        NoCredential(),
        description="What the upstream is shown. Never the client's token.",
        examples=[{"kind": "static", "header": "x-api-key", "value": "env:TICKETS_KEY"}],
    )
    hide_denied: bool = Field(
        False,
        description="Whether tools that a caller may not call are left out of tools/list.",
        examples=[True],
    )
    timeouts: TimeoutsConfig = Field(
        TimeoutsConfig(), description="How long it may take.", examples=[{"connect": "3s"}]
    )

    @property
    def spoken(self) -> Literal["streamable-http", "sse", "stdio"]:
        """The transport; where nobody says, the path of the URL tells what people call their endpoints."""
        if self.transport is not None or self.command:
            return self.transport or "stdio"
        return "sse" if urlsplit(self.url).path.rstrip("/").endswith("/sse") else "streamable-http"
