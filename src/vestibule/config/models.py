"""The configuration as frozen models. Every key has a description: it is the documentation and the JSON Schema.

What one model can see by itself it checks here; rules between keys are in `checks`, one function a rule.
"""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vestibule.config import defaults
from vestibule.config.values import Duration, SecretValue, is_loopback_host

_NAME = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, str_strip_whitespace=False)


class ScopesConfig(Model):
    """The scopes of an upstream."""

    default: tuple[str, ...] = Field(
        (defaults.SCOPE,), description="What every call needs.", examples=[["tickets.read"]]
    )
    texts: dict[str, str] = Field(
        default_factory=dict, description="What a scope means, in words for the consent page."
    )


class NoCredential(Model):
    kind: Literal["none"] = Field("none", description="The upstream is shown nothing.")


class StaticCredentialConfig(Model):
    kind: Literal["static"] = Field(description="The same header for every caller.")
    header: str = Field(
        "Authorization", description="The header's name.", examples=["x-functions-key"], pattern=r"^[A-Za-z0-9-]+$"
    )
    value: SecretValue = Field(description="The header's value.")


CredentialConfig = Annotated[NoCredential | StaticCredentialConfig, Field(discriminator="kind")]


class TimeoutsConfig(Model):
    """How long an upstream may take."""

    connect: Duration = Field(defaults.CONNECT_TIMEOUT, description="To accept a connection.")
    first_byte: Duration = Field(defaults.FIRST_BYTE_TIMEOUT, description="To begin its answer.")
    idle_stream: Duration = Field(defaults.IDLE_STREAM_TIMEOUT, description="Between two bytes of an answer.")


class UpstreamConfig(Model):
    """An MCP server behind the door."""

    name: str = Field(description="Served at /{name}/mcp; a single upstream also at /mcp.", pattern=_NAME)
    url: str = Field(description="Its streamable HTTP endpoint.", examples=["http://localhost:3000/mcp"])
    title: str = Field("", description="What people are shown. The name, when left out.")
    transport: Literal["streamable-http"] = Field("streamable-http", description="How the upstream is spoken to.")
    access: Literal["required", "anonymous"] = Field(
        "required", description="required: only with an access token. anonymous: open to everybody."
    )
    scopes: ScopesConfig = Field(ScopesConfig(), description="Its scopes.")
    credential: CredentialConfig = Field(NoCredential(), description="What the upstream is shown.")
    timeouts: TimeoutsConfig = Field(TimeoutsConfig(), description="How long it may take.")

    @field_validator("url")
    @classmethod
    def check_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - reading it checks it
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or not url.isascii():
            raise ValueError("is not an http or https URL")
        if "@" in parts.netloc:
            raise ValueError("has a user in it; use credential instead")
        return url


class OidcConfig(Model):
    """Any OpenID provider."""

    kind: Literal["oidc"]
    name: str = Field(description="Its name in /callback/{name}.", pattern=_NAME)
    title: str = Field("", description="What the sign-in button says.")
    issuer: str = Field(description="Its issuer URL, to the letter of its discovery document.")
    client_id: str = Field(description="What it calls us.", min_length=1)
    client_secret: SecretValue | None = Field(None, description="Our secret there; left out for a public client.")
    scopes: tuple[str, ...] = Field(("openid", "profile", "email"), description="What we ask it for.")

    @field_validator("issuer")
    @classmethod
    def check_issuer(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("is not an issuer URL (no query, no fragment)")
        if parts.scheme == "http" and not is_loopback_host(parts.hostname):
            raise ValueError("must be https")
        return issuer


class DevelopmentConfig(Model):
    """The built-in sign-in without passwords, for loopback only."""

    kind: Literal["development"]
    name: str = Field("development", description="Its name in /callback/{name}.", pattern=_NAME)


IdentityProviderConfig = Annotated[OidcConfig | DevelopmentConfig, Field(discriminator="kind")]


class ClientConfig(Model):
    """An OAuth client that is known from the start."""

    client_id: str = Field(description="Its id.", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
    name: str = Field("", description="What people are shown.")
    redirect_uris: tuple[str, ...] = Field(description="Where its sign-ins may return to.", min_length=1)
    client_secret: SecretValue | None = Field(None, description="Its secret; left out for a public client.")
    auth_method: Literal["none", "client_secret_basic", "client_secret_post"] | None = Field(
        None, description="How it authenticates. client_secret_basic with a secret, none without."
    )


class RegistrationConfig(Model):
    enabled: bool = Field(True, description="Dynamic client registration (RFC 7591), at /register.")


class ClientDocumentsConfig(Model):
    enabled: bool = Field(True, description="Clients named by the URL of their metadata document.")


class OutboundConfig(Model):
    """What we connect to on behalf of others."""

    allow_networks: tuple[str, ...] = Field(
        (), description="Networks (CIDR) that client metadata documents may come from although they are not public."
    )
    ca_file: str | None = Field(None, description="More certificate authorities, as PEM.")


class KeysConfig(Model):
    file: str = Field(defaults.KEY_FILE, description="The key ring; made at the first start, mode 0600.")


class TokensConfig(Model):
    """How long things live."""

    access_token_lifetime: Duration = Field(defaults.ACCESS_TOKEN_LIFETIME, description="30s to 1h.")
    refresh_token_lifetime: Duration = Field(defaults.REFRESH_TOKEN_LIFETIME, description="Since its last use.")
    code_lifetime: Duration = Field(defaults.CODE_LIFETIME, description="At most 60s.")
    refresh_grace: Duration = Field(
        defaults.REFRESH_GRACE,
        description="How long a spent refresh token is answered with the same successor: 0s to 120s, 0s is strict.",
    )
    session_lifetime: Duration = Field(defaults.SESSION_LIFETIME, description="How long a browser stays signed in.")


class HttpConfig(Model):
    """What one client may send."""

    max_body: int = Field(defaults.MAX_BODY, description="Bytes of a request's body.", gt=0)
    max_head: int = Field(defaults.MAX_HEAD, description="Bytes of a request's head.", ge=4096)
    graceful_timeout: Duration = Field(
        defaults.GRACEFUL_TIMEOUT, description="How long requests may go on after SIGTERM."
    )


class LoggingConfig(Model):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is worth a line.")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: for people on a terminal.")


class Configuration(Model):
    """vestibule.yaml."""

    public_url: str = Field("", description="The issuer and the base of every resource. http://<listen> if left out.")
    listen: str = Field(defaults.LISTEN, description="Where to listen.", examples=["127.0.0.1:8080", "0.0.0.0:8080"])
    upstreams: tuple[UpstreamConfig, ...] = Field(description="The MCP servers behind the door.", min_length=1)
    identity_providers: tuple[IdentityProviderConfig, ...] = Field(
        (), description="Who tells us who someone is. On loopback, the development sign-in when there is none."
    )
    clients: tuple[ClientConfig, ...] = Field((), description="OAuth clients known from the start.")
    registration: RegistrationConfig = Field(RegistrationConfig(), description="Dynamic client registration.")
    client_documents: ClientDocumentsConfig = Field(ClientDocumentsConfig(), description="Client metadata documents.")
    origins: tuple[str, ...] = Field(
        (), description="Origins of web pages that may call MCP, beside our own.", examples=[["https://app.example"]]
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Networks (CIDR) of reverse proxies whose X-Forwarded-For names the caller in the audit trail."
    )
    store: str = Field(defaults.STORE, description="sqlite:///file or postgresql://…", min_length=1)
    shared: Literal["memory"] = Field("memory", description="Where replicas share what is short-lived.")
    replicas: int = Field(1, description="How many of us run on this store.", ge=1)
    keys: KeysConfig = Field(KeysConfig(), description="The key ring.")
    secret_key: SecretValue | None = Field(None, description="The root secret itself, instead of keys.file.")
    tokens: TokensConfig = Field(TokensConfig(), description="How long things live.")
    http: HttpConfig = Field(HttpConfig(), description="What one client may send.")
    outbound: OutboundConfig = Field(OutboundConfig(), description="What we connect to on behalf of others.")
    logging: LoggingConfig = Field(LoggingConfig(), description="The log.")

    @field_validator("listen")
    @classmethod
    def check_listen(cls, listen: str) -> str:
        host, colon, port = listen.rpartition(":")
        if not colon or not host or not port.isdigit() or not 0 <= int(port) < 65536:
            raise ValueError("is not HOST:PORT")
        return listen

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def issuer(self) -> str:
        return self.public_url

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this computer can reach us: by address and by name."""
        return is_loopback_host(self.host) and is_loopback_host(urlsplit(self.public_url).hostname or "")

    def model_post_init(self, context: Any) -> None:
        if not self.public_url:
            object.__setattr__(self, "public_url", f"http://{self.listen}")
