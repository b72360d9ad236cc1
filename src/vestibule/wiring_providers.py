"""The identity providers of the configuration, made. A part of the composition root, which is long enough.

Imports of the kinds are inside, so that a gateway pays only for those it has (the JOSE library: 3 MB).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vestibule.config import Configuration
from vestibule.config.providers import DevelopmentConfig, OidcConfig, RolesConfig, ServiceConfig
from vestibule.identity_providers.development import DevelopmentProvider
from vestibule.ports import Clock, Entropy, HttpClient, IdentityProvider, Sealer

if TYPE_CHECKING:
    from vestibule.identity_providers.authentication import ClientAuthentication
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
            providers[one.name] = _oidc(one, parts)
    if not providers and configuration.is_loopback:
        providers["development"] = _development("development", configuration, sealer, clock)
    return providers


def metadata_hosts(configuration: Configuration) -> frozenset[str]:
    """The hosts that give managed identities: the only ones beside this computer that are asked over plain http."""
    return frozenset()


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


def _usual(one: ServiceConfig, issuer: str, parts: _Parts) -> dict[str, Any]:
    """What the kinds on OpenID Connect have in common."""
    from vestibule.identity_providers.documents import Documents
    from vestibule.oauth_client.discovery import metadata_url

    return {
        "name": one.name,
        "title": title_of(one),
        "issuer": issuer,
        "client_id": one.client_id,
        "scopes": one.scopes,
        "roles": _roles(one.roles),
        "documents": Documents(url=metadata_url(issuer), issuer=issuer, http=parts.http, clock=parts.clock),
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
    from vestibule.protocol.jwt import PrivateKey

    if one.client_secret is not None:
        return ClientSecret(one.client_id, one.client_secret)
    if isinstance(one, OidcConfig) and one.client_key is not None:
        key = PrivateKey(one.client_key.reveal())
        header = {"kid": one.client_key_id} if one.client_key_id else {}
        # RS256 before PS256: every provider knows it (OpenID Connect Core §15.1).
        algorithm = "RS256" if "RS256" in key.algorithms else ""
        return SignedAssertion(
            one.client_id, key, clock=parts.clock, entropy=parts.entropy, header=header, algorithm=algorithm
        )
    if isinstance(one, OidcConfig) and one.client_assertion is not None:
        return FederatedAssertion(one.client_id, ProjectedToken(Path(one.client_assertion.removeprefix("file:"))))
    return PublicClient(one.client_id)
