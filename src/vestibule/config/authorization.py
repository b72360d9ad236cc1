"""The sections about the authorization server: clients, registration, documents, tokens, assertions."""

from typing import Any, Literal

from pydantic import Field

from vestibule.config import defaults
from vestibule.config.addresses import HttpsOrLoopbackUrl, IssuerUrl
from vestibule.config.sections import Model
from vestibule.config.tenants import NoTenantOrName
from vestibule.config.values import Duration, HostName, SecretValue

GrantName = Literal["authorization_code", "client_credentials", "device_code", "token_exchange", "jwt_bearer"]


class ClientConfig(Model):
    """An OAuth client that is known from the start."""

    client_id: str = Field(
        description="Its id.", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$", examples=["desk"]
    )
    name: str = Field("", description="What people are shown. The id, when left out.", examples=["The desk"])
    redirect_uris: tuple[str, ...] = Field(
        (),
        description="Where its sign-ins may return to: each to the letter, loopback with any port, no wildcards. "
        "Needed for the grant authorization_code.",
        examples=[["https://desk.example.com/callback"]],
    )
    client_secret: SecretValue | None = Field(
        None, description="Its secret, as file: or env:; left out for a public client.", examples=["env:DESK_SECRET"]
    )
    jwks: dict[str, Any] | None = Field(
        None,
        description="Its public keys (RFC 7517), for private_key_jwt.",
        examples=[{"keys": [{"kty": "EC", "crv": "P-256", "x": "…", "y": "…"}]}],
    )
    jwks_uri: HttpsOrLoopbackUrl = Field(
        "", description="Where its public keys stand, instead of jwks.", examples=["https://desk.example.com/jwks"]
    )
    auth_method: Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] | None = Field(
        None,
        description="How it authenticates at /token. client_secret_basic with a secret, private_key_jwt with keys, "
        "none without either.",
        examples=["client_secret_post"],
    )
    grant_types: tuple[GrantName, ...] | None = Field(
        None,
        description="How it may get tokens; authorization_code, when left out, for a client with redirect_uris. "
        "Refresh tokens come with authorization_code and device_code.",
        examples=[["client_credentials"]],
    )
    scopes: tuple[str, ...] = Field(
        (),
        description="What it may do in its own name (client_credentials, and jwt_bearer of workloads).",
        examples=[["tickets.read"]],
    )
    introspects: tuple[str, ...] = Field(
        (),
        description="Upstreams about whose tokens it may ask at /introspect: then it is a resource server.",
        examples=[["tickets"]],
    )
    tenant: NoTenantOrName = Field(
        "",
        description="The tenant whose people may use it, and in whose name it acts. Anybody may, when left out.",
        examples=["acme"],
    )
    acts_for: tuple[str, ...] = Field(
        (),
        description="Client ids whose tokens it may exchange for tokens of its own (token_exchange).",
        examples=[["desk"]],
    )
    needs_pushed_requests: bool = Field(
        False, description="Whether its authorization requests must be pushed (RFC 9126).", examples=[True]
    )
    needs_dpop: bool = Field(
        False, description="Whether it gets only tokens that are bound to a key (RFC 9449).", examples=[True]
    )

    @property
    def grants(self) -> tuple[GrantName, ...]:
        if self.grant_types is not None:
            return self.grant_types
        return () if self.introspects and not self.redirect_uris else ("authorization_code",)


class RegistrationConfig(Model):
    """Dynamic client registration (RFC 7591)."""

    enabled: bool = Field(True, description="Whether clients may register themselves at /register.", examples=[True])
    per_hour: int = Field(
        defaults.REGISTRATIONS_PER_HOUR,
        description="How many may register within an hour from one network (an address, or an IPv6 /64).",
        ge=1,
        le=100_000,
        examples=[150],
    )
    unused_lifetime: Duration = Field(
        defaults.UNUSED_CLIENT_LIFETIME,
        description="After this, a client that has never got a token is forgotten: 1h to 365d.",
        examples=["7d"],
    )
    unused_limit: int = Field(
        defaults.UNUSED_CLIENTS,
        description="Beyond so many clients that have never got a token, nobody registers.",
        ge=10,
        le=1_000_000,
        examples=[10_000],
    )


class ClientDocumentsConfig(Model):
    """Clients that are named by the URL of their metadata document (CIMD)."""

    enabled: bool = Field(True, description="Whether a client may be named by its metadata document.", examples=[True])
    trusted_domains: tuple[HostName, ...] = Field(
        (),
        description="Domains whose clients are shown as known to you. A domain stands for itself and what is under it.",
        examples=[["claude.ai", "vscode.dev"]],
    )
    only_trusted: bool = Field(
        False, description="Whether documents of other domains are refused, before they are fetched.", examples=[True]
    )
    blocked_domains: tuple[HostName, ...] = Field(
        (), description="Domains whose documents are refused.", examples=[["bad.example"]]
    )
    logos: bool = Field(
        True, description="Whether logos of documents are fetched and shown by this server.", examples=[False]
    )


class ClientLifetimesConfig(Model):
    """Other lifetimes for some clients, named by id or by where their sign-ins return to."""

    client_ids: tuple[str, ...] = Field(
        (),
        description="Client ids: of clients of this file, or URLs of documents.",
        examples=[["https://claude.ai/oauth/claude-code-client-metadata"]],
    )
    redirect_hosts: tuple[HostName, ...] = Field(
        (),
        description="Hosts; a client that returns to these and nowhere else is meant.",
        examples=[["chatgpt.com"]],
    )
    access_token_lifetime: Duration | None = Field(None, description="Of an access token: 30s to 24h.", examples=["8h"])
    refresh_token_lifetime: Duration | None = Field(
        None, description="Of a refresh token, from its last use: 5m to 400d.", examples=["90d"]
    )
    grant_lifetime: Duration | None = Field(
        None, description="From a sign-in until the next one, however often it is used: 1h to 3650d.", examples=["90d"]
    )


class TokensConfig(Model):
    """How long things live, and what access tokens look like."""

    format: Literal["sealed", "jwt"] = Field(
        "sealed",
        description="sealed: opaque to everybody but this server. jwt: RFC 9068, for upstreams that look at them.",
        examples=["jwt"],
    )
    access_token_lifetime: Duration = Field(
        defaults.ACCESS_TOKEN_LIFETIME, description="Of an access token: 30s to 1h.", examples=["10m"]
    )
    refresh_token_lifetime: Duration = Field(
        defaults.REFRESH_TOKEN_LIFETIME,
        description="Of a refresh token, from its last use: 5m to 400d.",
        examples=["30d"],
    )
    grant_lifetime: Duration = Field(
        defaults.GRANT_LIFETIME,
        description="From a sign-in until the person must sign in again, however often it is used: 1h to 3650d.",
        examples=["365d"],
    )
    clients: tuple[ClientLifetimesConfig, ...] = Field(
        (),
        description="Other lifetimes for some clients; the first that fits counts.",
        examples=[[{"redirect_hosts": ["chatgpt.com"], "access_token_lifetime": "8h"}]],
    )
    code_lifetime: Duration = Field(
        defaults.CODE_LIFETIME, description="Of an authorization code: 5s to 60s.", examples=["60s"]
    )
    refresh_grace: Duration = Field(
        defaults.REFRESH_GRACE,
        description="How long a spent refresh token is answered with the same successor: 0s to 120s; 0s is strict.",
        examples=["45s"],
    )
    session_lifetime: Duration = Field(
        defaults.SESSION_LIFETIME, description="How long a browser stays signed in with us: 1m to 30d.", examples=["8h"]
    )
    dpop_nonce: bool = Field(
        True,
        description="Whether a DPoP proof must carry a nonce of this server (RFC 9449 §8).",
        examples=[False],
    )


class AuthorizationConfig(Model):
    """What is asked of every client."""

    needs_pushed_requests: bool = Field(
        False, description="Whether every authorization request must be pushed (RFC 9126).", examples=[True]
    )
    permissions: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Role → scopes that only people of this role are granted. What no role names is anybody's.",
        examples=[{"admins": ["tickets.admin"]}],
    )


class WorkloadConfig(Model):
    """A workload, by the subject that its platform gives it, and which client it is."""

    subject: str = Field(
        description="The token's sub, to the letter; * stands for a part of it.",
        min_length=1,
        max_length=255,
        examples=["system:serviceaccount:prod:reporter"],
    )
    client_id: str = Field(
        description="A client of this file with the grant jwt_bearer; its scopes are what the workload gets.",
        examples=["reporter"],
    )


class AssertionIssuerConfig(Model):
    """Whose assertions are taken as grants (RFC 7523)."""

    issuer: IssuerUrl = Field(description="Its iss, to the letter.", examples=["https://login.example.com"])
    kind: Literal["enterprise", "workload"] = Field(
        description="enterprise: an identity provider's ID-JAG says who the person is. workload: a platform's token "
        "says which workload it is.",
        examples=["enterprise"],
    )
    jwks_uri: HttpsOrLoopbackUrl = Field(
        "",
        description="Where its keys stand. By discovery, when left out.",
        examples=["https://login.example.com/jwks"],
    )
    provider: str = Field(
        "",
        description="enterprise: the identity provider of this file whose people these are.",
        examples=["work"],
    )
    name: str = Field(
        "",
        description="What these people or workloads are called by here, before the colon: where there are several "
        "issuers without a provider. The kind, when left out.",
        pattern=r"^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$",
        examples=["acme"],
    )
    tenant: NoTenantOrName = Field(
        "",
        description="The tenant whose people or workloads these all are. Each as at a sign-in, or as its client, when "
        "left out.",
        examples=["acme"],
    )
    clients: tuple[str, ...] = Field(
        (), description="enterprise: which clients may use it. Every confidential one, when empty.", examples=[["desk"]]
    )
    audience: str = Field(
        "",
        description="workload: what the token's aud must say. This server's public_url, when left out.",
        examples=["https://mcp.example.com"],
    )
    workloads: tuple[WorkloadConfig, ...] = Field(
        (),
        description="workload: which subjects are which clients.",
        examples=[[{"subject": "system:serviceaccount:prod:reporter", "client_id": "reporter"}]],
    )
