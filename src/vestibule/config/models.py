"""The configuration as frozen models. Every key has a description: editors show it, docs/configuration.md tells it.

What one value can say by itself is checked by its type; rules between keys are in `checks`, one function a rule.
"""

from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from vestibule.config import defaults
from vestibule.config.addresses import (
    Listen,
    NetworkText,
    Origin,
    PublicUrl,
    is_loopback_host,
)
from vestibule.config.admin import AdminConfig
from vestibule.config.aggregate import AggregateConfig
from vestibule.config.api_keys import ApiKeysConfig
from vestibule.config.audit import AuditConfig
from vestibule.config.authorization import (
    AssertionIssuerConfig,
    AuthorizationConfig,
    ClientConfig,
    ClientDocumentsConfig,
    RegistrationConfig,
    TokensConfig,
)
from vestibule.config.limits import LimitsConfig
from vestibule.config.policy import PolicyConfig
from vestibule.config.providers import IdentityProviderConfig
from vestibule.config.resource_server import ResourceServerConfig
from vestibule.config.sections import HttpConfig, KeysConfig, LoggingConfig, Model, OutboundConfig
from vestibule.config.tenants import TenantsConfig
from vestibule.config.tls import TlsConfig
from vestibule.config.upstreams import UpstreamConfig
from vestibule.config.values import (
    SecretValue,
    SharedAddress,
    StoreAddress,
)
from vestibule.model import DEFAULT_TENANT


class Configuration(Model):
    """vestibule.yaml."""

    public_url: PublicUrl = Field(
        "",
        description="How clients reach this server: the issuer and the base of every resource. https, except on "
        "loopback. http://<listen> when left out.",
        examples=["https://mcp.example.com"],
    )
    listen: Listen = Field(
        defaults.LISTEN, description="The address to listen on.", examples=["127.0.0.1:8080", "0.0.0.0:8080"]
    )
    tls: TlsConfig | None = Field(
        None,
        description="TLS ends here: the port speaks https and nothing else. Left out, it speaks http, for a reverse "
        "proxy or for loopback. See docs/operations.md.",
        examples=[{"certificate": "/etc/vestibule/fullchain.pem", "key": "file:/etc/vestibule/privkey.pem"}],
    )
    upstreams: tuple[UpstreamConfig, ...] = Field(
        (),
        description="The MCP servers behind the door; at least one.",
        examples=[[{"name": "tickets", "url": "http://localhost:3000/mcp"}]],
    )
    aggregate: AggregateConfig = Field(
        AggregateConfig(),
        description="Several upstreams behind one address. See docs/aggregation.md.",
        examples=[{"enabled": True, "members": ["tickets", "wiki"]}],
    )
    identity_providers: tuple[IdentityProviderConfig, ...] = Field(
        (),
        description="Who tells us who someone is. On loopback the development sign-in, when there is none.",
        examples=[[{"name": "work", "kind": "oidc", "issuer": "https://login.example.com", "client_id": "vestibule"}]],
    )
    clients: tuple[ClientConfig, ...] = Field(
        (),
        description="OAuth clients known from the start, beside those that register themselves.",
        examples=[[{"client_id": "desk", "redirect_uris": ["https://desk.example.com/callback"]}]],
    )
    registration: RegistrationConfig = Field(
        RegistrationConfig(), description="Dynamic client registration.", examples=[{"enabled": False}]
    )
    client_documents: ClientDocumentsConfig = Field(
        ClientDocumentsConfig(), description="Client metadata documents.", examples=[{"enabled": False}]
    )
    authorization: AuthorizationConfig = Field(
        AuthorizationConfig(), description="What is asked of every client.", examples=[{"needs_pushed_requests": True}]
    )
    api_keys: ApiKeysConfig = Field(
        ApiKeysConfig(),
        description="Keys that programs show instead of access tokens.",
        examples=[{"static": [{"name": "ci", "key": "env:CI_KEY"}]}],
    )
    admin: AdminConfig = Field(
        AdminConfig(), description="The admin API.", examples=[{"enabled": True, "roles": ["admins"]}]
    )
    resource_server: ResourceServerConfig = Field(
        ResourceServerConfig(),
        description="Whose access tokens are accepted: our own, those of other issuers, or both.",
        examples=[{"issuers": ["https://login.example.com"]}],
    )
    assertion_issuers: tuple[AssertionIssuerConfig, ...] = Field(
        (),
        description="Whose assertions are taken as grants: enterprises' identity providers, workloads' platforms.",
        examples=[[{"issuer": "https://login.example.com", "kind": "enterprise", "provider": "work"}]],
    )
    policy: PolicyConfig | None = Field(
        None,
        description="Rules about who may do what, beside the scopes. See docs/policy.md.",
        examples=[{"file": "policy.yaml"}],
    )
    tenants: TenantsConfig | None = Field(
        None,
        description="Which organisation somebody belongs to. Everybody to one, when left out.",
        examples=[{"by": "email-domain", "domains": {"corp.example": "acme"}, "default": "deny"}],
    )
    origins: tuple[Origin, ...] = Field(
        (),
        description="Origins of web pages that may call MCP from a browser, beside our own (CORS and Origin check).",
        examples=[["https://app.example.com"]],
    )
    cors_origins: tuple[Origin, ...] = Field(
        (), description="Another name for origins; both are taken together.", examples=[["https://app.example.com"]]
    )
    trusted_proxies: tuple[NetworkText, ...] = Field(
        (),
        description="Networks (CIDR) of your reverse proxies. From them, and only them, X-Forwarded-For names the "
        "caller: in the audit trail, and for the limits on registrations, codes and guesses. Only they may ask at "
        "/auth.",
        examples=[["10.0.0.0/24"]],
    )
    store: StoreAddress = Field(
        defaults.STORE,
        description="sqlite:///file or postgresql://user@host/database; with a password in it as file: or env:.",
        examples=["sqlite:////var/lib/vestibule/store.db", "env:DATABASE_URL"],
        repr=False,
    )
    shared: SharedAddress = Field(
        "memory",
        description="Where replicas share what they count for limits: memory (each counts for itself), "
        "redis://host:6379/0, rediss:// (TLS), valkey://, valkeys:// or unix:///path; with a password in it as file: "
        "or env:.",
        examples=["rediss://redis.internal:6379/0", "env:REDIS_URL"],
        repr=False,
    )
    limits: LimitsConfig = Field(
        LimitsConfig(),
        description="How often callers may call. Nothing is limited by it when left out; the limits of the "
        "authorization server on registrations, codes and guesses stay.",
        examples=[{"mcp": "200/minute", "oauth": "20/minute"}],
    )
    replicas: int = Field(
        1,
        description="How many processes run on this store; more than one needs PostgreSQL.",
        ge=1,
        le=1000,
        examples=[1],
    )
    workers: int = Field(
        1,
        description="How many processes serve on this computer, on one socket. A core each is enough; see "
        "docs/operations.md.",
        ge=1,
        le=256,
        examples=[2],
    )
    sse_clients: bool | None = Field(
        None,
        description="Whether clients of the old HTTP+SSE transport are served as well, at /{name}/sse. When left out: "
        "yes, unless there are several replicas or workers. All requests of one such client must reach the process "
        "that holds its stream: say true where a load balancer keeps it at one replica. Not with several workers.",
        examples=[False],
    )
    keys: KeysConfig = Field(
        KeysConfig(), description="The root secret.", examples=[{"file": "/var/lib/vestibule/keys"}]
    )
    secret_key: SecretValue | None = Field(
        None, description="Another name for keys.secret.", examples=["env:ROOT_SECRET"]
    )
    tokens: TokensConfig = Field(
        TokensConfig(),
        description="How long things live, and what tokens look like.",
        examples=[{"access_token_lifetime": "10m"}],
    )
    http: HttpConfig = Field(HttpConfig(), description="What one client may send.", examples=[{"max_body": "10MB"}])
    outbound: OutboundConfig = Field(
        OutboundConfig(), description="What we connect to on behalf of others.", examples=[{"ca_file": "/etc/ca.pem"}]
    )
    logging: LoggingConfig = Field(LoggingConfig(), description="The log.", examples=[{"level": "info"}])
    audit: AuditConfig = Field(
        AuditConfig(), description="The audit trail.", examples=[{"file": "/var/log/vestibule/audit.jsonl"}]
    )

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def processes(self) -> int:
        """How many of them there are in all: the workers of all replicas."""
        return self.replicas * self.workers

    @property
    def issuer(self) -> str:
        return self.public_url

    @property
    def signs_people_in(self) -> bool:
        """Whether this server gives tokens itself."""
        return self.resource_server.mode != "cloud"

    @property
    def serves_sse_clients(self) -> bool:
        return self.processes == 1 if self.sse_clients is None else self.sse_clients

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this computer can reach us: by address and by name."""
        return is_loopback_host(self.host) and is_loopback_host(urlsplit(self.public_url).hostname or "")

    @property
    def named_tenants(self) -> frozenset[str]:
        """Those that are there without anybody having made them."""
        if self.tenants is None:
            return frozenset({DEFAULT_TENANT})
        others = {one.tenant for one in self.clients} | {one.tenant for one in self.assertion_issuers}
        return self.tenants.names | (others - {""})

    def model_post_init(self, context: Any) -> None:
        """One name for each thing from here on: `public_url`, `origins` and `secret_key` are complete."""
        if not self.public_url:
            scheme = "http" if self.tls is None else "https"
            object.__setattr__(self, "public_url", f"{scheme}://{self.listen}")
        if self.secret_key is None:
            object.__setattr__(self, "secret_key", self.keys.secret)
        object.__setattr__(self, "origins", tuple(dict.fromkeys((*self.origins, *self.cors_origins))))
