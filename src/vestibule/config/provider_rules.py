"""Rules between the keys of an identity provider."""

from collections.abc import Iterator

from vestibule.config.models import Configuration
from vestibule.config.providers import (
    Auth0Config,
    DevelopmentConfig,
    EntraConfig,
    GitHubConfig,
    GoogleConfig,
    OidcConfig,
    ServiceConfig,
)
from vestibule.errors import Fault
from vestibule.model import Secret

_WAYS = ("client_secret", "client_key", "client_certificate", "client_assertion")


def services(configuration: Configuration) -> Iterator[tuple[str, ServiceConfig]]:
    """Those that are somebody's service, each with its place in the file."""
    for index, one in enumerate(configuration.identity_providers):
        if not isinstance(one, DevelopmentConfig):
            yield f"identity_providers[{index}]", one


def asks_for_openid(configuration: Configuration) -> Iterator[Fault]:
    for where, one in services(configuration):
        if not isinstance(one, GitHubConfig) and "openid" not in one.scopes:
            yield Fault(
                f"{where}.scopes",
                "without openid the provider says nothing about who signed in",
                "add openid, or leave the key out",
            )


def client_shows_itself_in_one_way(configuration: Configuration) -> Iterator[Fault]:
    for where, one in services(configuration):
        given = [key for key in _WAYS if getattr(one, key, None) is not None]
        for more in given[1:]:
            yield Fault(f"{where}.{more}", f"{given[0]} is there too, and one of them is enough", "keep one of them")
        if not given and isinstance(one, EntraConfig):
            yield Fault(
                f"{where}.client_secret",
                "Entra gives tokens to a web application only when it shows who it is",
                "add client_secret, client_certificate or client_assertion: managed-identity",
            )
        elif not given and isinstance(one, GoogleConfig | GitHubConfig):
            yield Fault(f"{where}.client_secret", "this key is missing", "add it, for example env:CLIENT_SECRET")


def keys_can_sign(configuration: Configuration) -> Iterator[Fault]:
    for where, one in services(configuration):
        if isinstance(one, EntraConfig) and one.client_certificate is not None:
            yield from _unusable(one.client_certificate, f"{where}.client_certificate", has_certificate=True)
        if isinstance(one, OidcConfig) and one.client_key is not None:
            yield from _unusable(one.client_key, f"{where}.client_key", has_certificate=False)
        if isinstance(one, OidcConfig) and one.client_key_id and one.client_key is None:
            yield Fault(f"{where}.client_key_id", "there is no client_key", "add it, or remove this one")


def _unusable(pem: Secret, key: str, *, has_certificate: bool) -> Iterator[Fault]:
    from vestibule.oauth_client.certificate import read_certificate  # brings the JOSE library: 3 MB
    from vestibule.protocol.jwt import PrivateKey, UnusableKey

    try:
        if has_certificate:
            read_certificate(pem.reveal())
        else:
            PrivateKey(pem.reveal())
    except UnusableKey as error:
        fix = "put certificate and private key into one PEM file" if has_certificate else "give a private key as PEM"
        yield Fault(key, str(error), f"{fix}: RSA with 2048 bits or more, or P-256")


def assertions_fit_their_kind(configuration: Configuration) -> Iterator[Fault]:
    for where, one in services(configuration):
        if isinstance(one, OidcConfig) and one.client_assertion in ("managed-identity", "workload-identity"):
            yield Fault(f"{where}.client_assertion", "only Entra takes Azure's word", "use kind: entra, or file:/path")
        if (
            isinstance(one, EntraConfig)
            and "managed_identity" in one.model_fields_set
            and one.client_assertion != "managed-identity"
        ):
            yield Fault(f"{where}.managed_identity", "it is not used", "add client_assertion: managed-identity")


def entra_names_its_tenants(configuration: Configuration) -> Iterator[Fault]:
    for where, one in services(configuration):
        if isinstance(one, EntraConfig) and not one.allowed_tenants:
            yield Fault(
                f"{where}.tenant",
                "no tenant is named whose people may sign in",
                "write your Directory (tenant) ID, or several of them under tenants",
            )


def google_domains_are_organisations(configuration: Configuration) -> Iterator[Fault]:
    for where, one in services(configuration):
        for number, domain in enumerate(one.hosted_domain if isinstance(one, GoogleConfig) else ()):
            if domain in ("gmail.com", "googlemail.com"):
                yield Fault(
                    f"{where}.hosted_domain[{number}]",
                    "private accounts belong to no Workspace domain, so nobody could sign in",
                    "name your organisation's domain; without the key every Google account may sign in",
                )


def auth0_domain_is_a_host(configuration: Configuration) -> Iterator[Fault]:
    for where, one in services(configuration):
        if isinstance(one, Auth0Config) and "." not in one.domain:
            yield Fault(f"{where}.domain", "it is only the tenant's name", "write it like example.eu.auth0.com")


def names_rename_something(configuration: Configuration) -> Iterator[Fault]:
    for where, one in services(configuration):
        if one.roles.names and not one.roles.from_:
            yield Fault(f"{where}.roles.from", "there are names for roles, and no claim they come from", "add it")
        for value, role in one.roles.names.items():
            if not 0 < len(role) <= 128 or not role.isprintable() or role != role.strip():
                yield Fault(f"{where}.roles.names.{value}", "it cannot be a role's name", "write printable text")


def lets_everybody_in(one: ServiceConfig) -> bool:
    """Whether anybody in the world can make an account there that may sign in."""
    match one:
        case GoogleConfig():
            return not one.hosted_domain
        case GitHubConfig():
            return not (one.organizations or one.teams)
    return False
