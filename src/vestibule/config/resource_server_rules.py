"""Rules about the issuers whose tokens are accepted. What would let in anybody is refused."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from vestibule.config import defaults
from vestibule.config.models import Configuration
from vestibule.config.providers import DevelopmentConfig, EntraConfig, GitHubConfig
from vestibule.config.resource_server import TokenIssuerConfig, is_for_everybody
from vestibule.config.values import write_duration
from vestibule.errors import Fault, InvalidScope
from vestibule.model import TrustedIssuer
from vestibule.protocol.scope import read_scope

_RESERVED = frozenset({"client", "workload", "enterprise", "api-key", "development"})
_ONLY_FOR = {
    "tenants": ("entra",),
    "client_id": ("introspection", "github"),
    "client_secret": ("introspection", "github"),
    "introspection_endpoint": ("introspection",),
    "api_url": ("github", "google"),
    "any_app": ("github",),
    "jwks_uri": ("oidc", "entra", "auth0", "google"),
    "algorithms": ("oidc", "entra", "auth0", "google"),
}


def trusted_issuers(configuration: Configuration) -> list[TrustedIssuer]:
    """Those of the file, each with its kind and its name."""
    return [_trusted(one, configuration) for one in configuration.resource_server.issuers]


def _trusted(one: TokenIssuerConfig, configuration: Configuration) -> TrustedIssuer:
    trusted = TrustedIssuer(
        issuer=one.issuer,
        name=one.name,
        kind=one.kind or "",
        audiences=one.audiences,
        algorithms=one.algorithms,
        tenants=one.tenants,
        scopes=one.scopes,
        jwks_uri=one.jwks_uri,
        client_id=one.client_id,
        client_secret=one.client_secret,
        introspection_endpoint=one.introspection_endpoint,
        api_url=one.api_url,
        any_app=one.any_app,
    )
    same = [name for name, is_same in _providers(configuration, trusted.complete()) if is_same]
    return trusted.complete() if one.name or not same else replace(trusted.complete(), name=same[0])


def _providers(configuration: Configuration, trusted: TrustedIssuer) -> Iterator[tuple[str, bool]]:
    """The identity providers by name, and whether their people are this issuer's."""
    for provider in configuration.identity_providers:
        if isinstance(provider, DevelopmentConfig):
            yield provider.name, False
        elif isinstance(provider, EntraConfig):
            same_tenants = {*trusted.accepted_tenants} <= {tenant.lower() for tenant in provider.allowed_tenants}
            yield provider.name, trusted.kind == "entra" and trusted.authority == provider.authority and same_tenants
        else:
            issuer = provider.base_url if isinstance(provider, GitHubConfig) else provider.issuer
            yield provider.name, issuer == trusted.issuer


def issuers_are_named(configuration: Configuration) -> Iterator[Fault]:
    section = configuration.resource_server
    has_audiences = "identifiers" in section.model_fields_set and section.mode != "local"
    if not section.issuers and (section.mode == "cloud" or has_audiences):
        yield Fault(
            "resource_server.issuers",
            "no issuer is named, so nobody's tokens could be accepted",
            "name them there, as issuers: [https://login.example.com], or in ALLOWED_ISSUERS",
        )


def issuers_differ(configuration: Configuration) -> Iterator[Fault]:
    """A name is the first part of who somebody is: two issuers with one name could give each other's people."""
    trusted = trusted_issuers(configuration)
    for index, one in enumerate(trusted):
        where = f"resource_server.issuers[{index}]"
        if one.issuer == configuration.issuer:
            yield Fault(where, "it is this server itself", "remove it: our own tokens need no entry")
        if one.name in _RESERVED:
            yield Fault(f"{where}.name", "it is what we call others by", "choose another name")
        for earlier in trusted[:index]:
            if earlier.issuer == one.issuer:
                yield Fault(where, "the issuer stands there twice", "keep one of the two")
            elif earlier.name == one.name:
                yield Fault(f"{where}.name", "another issuer has it already", "choose another name")
        if any(name == one.name and not is_same for name, is_same in _providers(configuration, one)):
            yield Fault(
                f"{where}.name", "it is the name of an identity provider with other people", "choose another name"
            )


def entra_issuers_name_their_tenants(configuration: Configuration) -> Iterator[Fault]:
    for where, one in _each(configuration):
        if one.kind != "entra":
            continue
        if not one.accepted_tenants:
            yield Fault(
                f"{where}.tenants",
                "tokens of everybody with a Microsoft account would be accepted: no tenants are named (nOAuth)",
                "name your tenant's id",
            )
        elif one.tenants and not is_for_everybody(one.issuer):
            (own,) = TrustedIssuer(one.issuer).accepted_tenants or ("",)
            if one.accepted_tenants != (own,):
                yield Fault(
                    f"{where}.tenants",
                    "the issuer is of one tenant, and others are named",
                    "write {tenantid} in its place in the issuer",
                )


def kinds_have_what_they_need(configuration: Configuration) -> Iterator[Fault]:
    for where, one in _each(configuration):
        if one.kind == "google" and not one.audiences:
            yield Fault(
                f"{where}.audiences",
                "a Google token is for some application, and none is named whose tokens count",
                "write the client ids of yours",
            )
        if one.kind in ("google", "github") and not one.scopes:
            yield Fault(f"{where}.scopes", "its tokens carry no scopes of ours", "name what they are good for")
        if one.kind == "github" and not one.any_app and not (one.client_id and one.client_secret):
            yield Fault(
                f"{where}.client_id",
                "a token of any GitHub application would open this server: none is named whose tokens count",
                "give client_id and client_secret of yours, or any_app: true if you mean that",
            )
        if one.kind == "github" and one.any_app and one.client_id:
            yield Fault(f"{where}.any_app", "it makes client_id mean nothing", "remove one of the two")
        if one.kind == "introspection" and not (one.client_id and one.client_secret):
            yield Fault(f"{where}.client_id", "introspection needs credentials", "give client_id and client_secret")


def keys_fit_their_kind(configuration: Configuration) -> Iterator[Fault]:
    for (where, one), given in zip(_each(configuration), configuration.resource_server.issuers, strict=True):
        for key, kinds in _ONLY_FOR.items():
            if key in given.model_fields_set and one.kind not in kinds:
                yield Fault(f"{where}.{key}", f"it is not used with kind {one.kind}", f"remove it (for {kinds[0]})")


def token_scopes_are_scopes(configuration: Configuration) -> Iterator[Fault]:
    section = configuration.resource_server
    lists = [(f"{where}.scopes", one.scopes) for where, one in _each(configuration)]
    for key, scopes in [("resource_server.scopes_supported", section.scopes_supported), *lists]:
        for number, scope in enumerate(scopes):
            try:
                is_one = read_scope(scope) == (scope,)
            except InvalidScope:
                is_one = False
            if not is_one:
                yield Fault(
                    f"{key}[{number}]", "it is not one scope (RFC 6749 §3.3)", "no spaces, quotes or backslashes"
                )


def keys_are_looked_at_in_time(configuration: Configuration) -> Iterator[Fault]:
    shortest, longest = defaults.JWKS_CACHE_TTL_BOUNDS
    if not shortest <= configuration.resource_server.jwks_cache_ttl <= longest:
        yield Fault(
            "resource_server.jwks_cache_ttl",
            f"it is not between {write_duration(shortest)} and {write_duration(longest)}",
            "choose one in between",
        )


def _each(configuration: Configuration) -> Iterator[tuple[str, TrustedIssuer]]:
    for index, one in enumerate(trusted_issuers(configuration)):
        yield f"resource_server.issuers[{index}]", one


RESOURCE_SERVER_RULES: tuple[Callable[[Configuration], Iterator[Fault]], ...] = (
    issuers_are_named,
    issuers_differ,
    entra_issuers_name_their_tenants,
    kinds_have_what_they_need,
    keys_fit_their_kind,
    token_scopes_are_scopes,
    keys_are_looked_at_in_time,
)
