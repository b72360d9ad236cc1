"""The identity providers of the configuration.

Imports of the kinds are inside, so that a gateway pays only for those it has (the JOSE library: 3 MB).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vestibule.config import Configuration
from vestibule.config.providers import (
    Auth0Config,
    DevelopmentConfig,
    EntraConfig,
    GitHubConfig,
    GoogleConfig,
    ManagedIdentityConfig,
    OidcConfig,
    RolesConfig,
    ServiceConfig,
)
from vestibule.identity_providers.development import DevelopmentProvider
from vestibule.model import Secret
from vestibule.oauth_client.discovery import metadata_url, read_metadata
from vestibule.outbound import HttpIssuerDocuments
from vestibule.ports import Clock, Entropy, HttpClient, IdentityProvider, Sealer
from vestibule.wiring.issuers import entra_documents, entra_issuer

if TYPE_CHECKING:
    from vestibule.identity_providers.authentication import AssertionSource, ClientAuthentication
    from vestibule.identity_providers.oidc import RoleRules


@dataclass(frozen=True, slots=True)
class _Parts:
    """What every kind is made with."""

    http: HttpClient
    clock: Clock
    entropy: Entropy
    log: Callable[..., None]


def make_providers(
    configuration: Configuration,
    http: HttpClient,
    *,
    sealer: Sealer,
    clock: Clock,
    entropy: Entropy,
    log: Callable[..., None],
) -> dict[str, IdentityProvider]:
    """By their names. On loopback the development sign-in, when there is none."""
    parts = _Parts(http, clock, entropy, log)
    providers: dict[str, IdentityProvider] = {}
    for one in configuration.identity_providers:
        if isinstance(one, DevelopmentConfig):
            providers[one.name] = _development(one.name, configuration, sealer, clock)
        else:
            providers[one.name] = _service(one, parts)
    if not providers and configuration.is_loopback:
        providers["development"] = _development("development", configuration, sealer, clock)
    return providers


def metadata_hosts(configuration: Configuration) -> frozenset[str]:
    """The hosts that give managed identities: the only ones beside this computer that are asked over plain http."""
    return frozenset(
        urlsplit(one.managed_identity.endpoint).hostname or ""
        for one in configuration.identity_providers
        if isinstance(one, EntraConfig) and one.client_assertion == "managed-identity"
    )


def sign_in_origins(configuration: Configuration) -> tuple[str, ...]:
    """Addresses that browsers are sent to over plain http: on this computer only, which the models have checked."""
    addresses = (
        one.base_url if isinstance(one, GitHubConfig) else one.authority if isinstance(one, EntraConfig) else one.issuer
        for one in configuration.identity_providers
        if not isinstance(one, DevelopmentConfig)
    )
    return tuple(address for address in addresses if address.startswith("http:"))


def _service(one: ServiceConfig, parts: _Parts) -> IdentityProvider:
    match one:
        case OidcConfig():
            return _oidc(one, parts)
        case EntraConfig():
            return _entra(one, parts)
        case GoogleConfig():
            return _google(one, parts)
        case Auth0Config():
            return _auth0(one, parts)
        case GitHubConfig():
            return _github(one, parts)


def _development(name: str, configuration: Configuration, sealer: Sealer, clock: Clock) -> DevelopmentProvider:
    return DevelopmentProvider(
        name=name,
        public_url=configuration.public_url,
        is_loopback=configuration.is_loopback,
        sealer=sealer,
        clock=clock,
    )


def _oidc(one: OidcConfig, parts: _Parts) -> IdentityProvider:
    from vestibule.identity_providers.oidc import OidcProvider

    return OidcProvider(
        **_usual(one, one.issuer, parts), authentication=_authentication(one, parts), asks_userinfo=one.userinfo
    )


def _entra(one: EntraConfig, parts: _Parts) -> IdentityProvider:
    from vestibule.identity_providers.entra import EntraProvider
    from vestibule.identity_providers.graph import Graph

    documents = entra_documents(
        one.authority, one.allowed_tenants, http=parts.http, clock=parts.clock, read=read_metadata, log=parts.log
    )
    issuer = entra_issuer(one.authority, one.allowed_tenants)
    usual = {**_usual(one, issuer, parts), "documents": documents}
    return EntraProvider(
        **usual,
        authentication=_authentication(one, parts),
        authority=one.authority,
        tenants=one.allowed_tenants,
        graph=Graph(one.graph, parts.http),
        log=parts.log,
    )


def _google(one: GoogleConfig, parts: _Parts) -> IdentityProvider:
    from vestibule.identity_providers.google import GoogleProvider

    usual = _usual(one, one.issuer, parts)
    return GoogleProvider(
        **usual,
        authentication=_authentication(one, parts),
        hosted_domains=one.hosted_domain,
        offline=one.offline,
    )


def _auth0(one: Auth0Config, parts: _Parts) -> IdentityProvider:
    from vestibule.identity_providers.auth0 import Auth0Provider

    usual = _usual(one, one.issuer, parts)
    return Auth0Provider(
        **usual,
        authentication=_authentication(one, parts),
        audience=one.audience,
        organization=one.organization,
    )


def _github(one: GitHubConfig, parts: _Parts) -> IdentityProvider:
    from vestibule.identity_providers.github import GitHubProvider

    more = ("read:org",) if one.memberships else ()
    return GitHubProvider(
        name=one.name,
        title=title_of(one),
        base_url=one.base_url,
        api_url=one.api,
        client_id=one.client_id,
        client_secret=one.client_secret or Secret(""),  # `check` has seen that there is one
        scopes=tuple(dict.fromkeys((*one.scopes, *more))),
        organizations=one.organizations,
        teams=one.teams,
        memberships=one.memberships,
        roles=_roles(one.roles),
        http=parts.http,
        clock=parts.clock,
    )


def _usual(one: ServiceConfig, issuer: str, parts: _Parts) -> dict[str, Any]:
    """What the kinds on OpenID Connect have in common."""
    return {
        "name": one.name,
        "title": title_of(one),
        "issuer": issuer,
        "client_id": one.client_id,
        "scopes": one.scopes,
        "roles": _roles(one.roles),
        "documents": HttpIssuerDocuments(
            issuer,
            http=parts.http,
            clock=parts.clock,
            urls=(metadata_url(issuer),),
            read=read_metadata,
            log=parts.log,
        ),
        "http": parts.http,
        "clock": parts.clock,
    }


def title_of(one: ServiceConfig) -> str:
    return one.title or one.name.replace("-", " ").capitalize()


def _roles(roles: RolesConfig) -> "RoleRules":
    from vestibule.identity_providers.oidc import RoleRules

    return RoleRules(roles.from_, roles.names)


def _authentication(one: ServiceConfig, parts: _Parts) -> "ClientAuthentication":
    """By what the configuration gives; `check` has seen that it is one thing only, and that it can be used."""
    from vestibule.identity_providers.authentication import (
        ClientSecret,
        FederatedAssertion,
        ProjectedToken,
        PublicClient,
        SignedAssertion,
    )
    from vestibule.oauth_client.certificate import read_certificate
    from vestibule.protocol.jwt import PrivateKey

    if one.client_secret is not None:
        return ClientSecret(one.client_id, one.client_secret, in_body=isinstance(one, EntraConfig | GoogleConfig))
    if isinstance(one, OidcConfig) and one.client_key is not None:
        key = PrivateKey(one.client_key.reveal())
        header = {"kid": one.client_key_id} if one.client_key_id else {}
        # RS256 before PS256: every provider knows it (OpenID Connect Core §15.1).
        algorithm = "RS256" if "RS256" in key.algorithms else ""
        return SignedAssertion(
            one.client_id, key, clock=parts.clock, entropy=parts.entropy, header=header, algorithm=algorithm
        )
    if isinstance(one, EntraConfig) and one.client_certificate is not None:
        key, thumbprint = read_certificate(one.client_certificate.reveal())
        return SignedAssertion(
            one.client_id, key, clock=parts.clock, entropy=parts.entropy, header={"x5t#S256": thumbprint}
        )
    if isinstance(one, EntraConfig | OidcConfig) and one.client_assertion is not None:
        source: AssertionSource
        if isinstance(one, EntraConfig) and one.client_assertion == "managed-identity":
            source = _managed_identity(one.managed_identity, parts)
        else:
            source = ProjectedToken(Path(one.client_assertion.removeprefix("file:")))
        return FederatedAssertion(one.client_id, source)
    return PublicClient(one.client_id)


def _managed_identity(one: ManagedIdentityConfig, parts: _Parts) -> "AssertionSource":
    from vestibule.identity_providers.managed_identity import ManagedIdentity

    return ManagedIdentity(
        endpoint=one.endpoint,
        audience=one.audience,
        client_id=one.client_id,
        header=one.header,
        http=parts.http,
        clock=parts.clock,
    )
