"""The section resource_server: whose tokens are accepted as they are, beside our own or instead of them."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from vestibule.config import defaults
from vestibule.config.addresses import HttpsOrLoopbackUrl, is_loopback_host, split_http_url
from vestibule.config.sections import Model
from vestibule.config.values import Duration, SecretValue, wrong

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
IssuerKind = Literal["oidc", "entra", "auth0", "google", "github", "introspection"]
_EVERY_TENANT = re.compile(r"/(?:\{tenantid\}|common|organizations|consumers)(?:/|\Z)")


def read_token_issuer(url: str) -> str:
    """The `iss` of tokens, to the letter; Entra's may stand for several tenants, which are named beside it."""
    parts = split_http_url(url.replace("{tenantid}", "common"))
    if parts is None or "?" in url or "#" in url or "@" in parts.netloc:
        raise wrong("it is not an issuer: an https URL without query and fragment", "copy it from a token's iss")
    if parts.scheme == "http" and not is_loopback_host(parts.hostname or ""):
        raise wrong("an issuer off this computer is https", "use https")
    if "/.well-known/" in parts.path:
        raise wrong("it is the address of the discovery document", "cut it off before /.well-known/")
    return url


def read_identifier(identifier: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,500}", identifier) or "*" in identifier:
        raise wrong("it is not an audience that a token could name", "write it to the letter, such as api://tickets")
    return identifier


TokenIssuer = Annotated[str, AfterValidator(read_token_issuer)]
Identifier = Annotated[str, AfterValidator(read_identifier)]
TenantGuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


class TokenIssuerConfig(Model):
    """One issuer whose tokens are accepted."""

    issuer: TokenIssuer = Field(
        description="Its iss, to the letter. Entra for several tenants: with {tenantid} in the tenant's place.",
        examples=["https://login.example.com"],
    )
    name: str = Field(
        "",
        description="What its people are called by here, before the colon. That of the identity provider with the same "
        "issuer, when left out; else google, github, or made from the issuer.",
        pattern=r"^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$",
        examples=["work"],
    )
    kind: IssuerKind | None = Field(
        None,
        description="How its tokens are read: oidc (any, by its keys), entra, auth0, google, github, introspection "
        "(RFC 7662). By the issuer's host, when left out.",
        examples=["entra"],
    )
    audiences: tuple[Identifier, ...] = Field(
        (),
        description="What aud must say in its tokens, instead of identifiers. Google: the ids of your clients.",
        examples=[["api://tickets"]],
    )
    algorithms: tuple[Algorithm, ...] = Field(
        (), description="How it may sign. What its discovery document lists, when left out.", examples=[["RS256"]]
    )
    tenants: tuple[TenantGuid, ...] = Field(
        (),
        description="entra: the ids of the tenants whose tokens are accepted. The one in the issuer, when left out.",
        examples=[["11111111-2222-3333-4444-555555555555"]],
    )
    jwks_uri: HttpsOrLoopbackUrl = Field(
        "",
        description="Where its keys stand. By discovery, when left out.",
        examples=["https://login.example.com/jwks"],
    )
    scopes: tuple[str, ...] = Field(
        (),
        description="What its tokens are good for when they carry no scopes. Google's and GitHub's never do: theirs "
        "are for their own APIs.",
        examples=[["mcp"]],
    )
    client_id: str = Field(
        "",
        description="Ours there: for introspection, or of the GitHub application whose tokens are accepted.",
        examples=["tickets"],
    )
    client_secret: SecretValue | None = Field(
        None, description="The secret that goes with it, as file: or env:.", examples=["env:TICKETS_SECRET"]
    )
    introspection_endpoint: HttpsOrLoopbackUrl = Field(
        "",
        description="introspection: where to ask. By discovery, when left out.",
        examples=["https://login.example.com/introspect"],
    )
    api_url: HttpsOrLoopbackUrl = Field(
        "",
        description="github: where its API is, for a GitHub Enterprise server. google: where tokeninfo is.",
        examples=["https://github.example.com/api/v3"],
    )
    any_app: bool = Field(
        False,
        description="github: accept the tokens of every application and personal ones. Whoever runs any application "
        "that a person signs in to with GitHub can then act here as that person.",
        examples=[True],
    )


def read_entry(value: Any) -> Any:
    """An issuer by its address alone."""
    return {"issuer": value} if isinstance(value, str) else value


TokenIssuerEntry = Annotated[
    TokenIssuerConfig, BeforeValidator(read_entry, json_schema_input_type=str | TokenIssuerConfig)
]


class ResourceServerConfig(Model):
    """Whose tokens are accepted."""

    mode: Literal["local", "cloud", "auto"] = Field(
        "auto",
        description="local: our own tokens only. cloud: only those of issuers; nobody signs in here. auto: both.",
        examples=["cloud"],
    )
    identifiers: tuple[Identifier, ...] = Field(
        (),
        description="Audiences of tokens for every upstream, beside each one's own address. To the letter.",
        examples=[["api://vestibule"]],
    )
    issuers: tuple[TokenIssuerEntry, ...] = Field(
        (),
        description="Whose tokens: the issuer's address, or a mapping with more.",
        examples=[["https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"]],
    )
    jwks_cache_ttl: Duration = Field(
        defaults.JWKS_CACHE_TTL,
        description="How long an issuer's keys are used without looking again: 1s to 24h. Its Cache-Control may say "
        "less.",
        examples=["1h", 3600],
    )
    scopes_supported: tuple[str, ...] = Field(
        (),
        description="What the resource metadata tells clients to ask for. The upstream's scopes, when left out.",
        examples=[["api://vestibule/mcp"]],
    )


def is_for_everybody(issuer: str) -> bool:
    """Whether an issuer of Entra stands for every tenant there is."""
    return _EVERY_TENANT.search(urlsplit(issuer).path) is not None
