"""Tokens of other issuers, from plain values: for the gateway, and for a server that protects itself.

    tokens = foreign_tokens(
        [TrustedIssuer("https://login.example.com")], http=client, clock=utc_now, identifiers=["api://tickets"]
    )
    principal = await tokens.verify(token, resource, time.time())

No store and no configuration file are needed.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from vestibule.model import TrustedIssuer
from vestibule.outbound.issuer_documents import KEEP, HttpIssuerDocuments
from vestibule.ports import Clock, HttpClient, IssuerDocuments, TenantMap
from vestibule.wiring.issuers import entra_documents

if TYPE_CHECKING:  # the library in process has no configuration, and loads none
    from vestibule.config import Configuration
    from vestibule.resource_server.foreign import ForeignTokens  # brings the JOSE library: 3 MB

__all__ = ["TrustedIssuer", "authorization_servers", "foreign_tokens", "make_foreign_tokens", "servers_of"]


def foreign_tokens(
    issuers: Sequence[TrustedIssuer],
    *,
    http: HttpClient,
    clock: Clock,
    identifiers: Sequence[str] = (),
    tenants: TenantMap | None = None,
    ttl: timedelta = KEEP,
    log: Callable[..., None] | None = None,
) -> "ForeignTokens":
    """A `ports.TokenVerifier` for the tokens of `issuers`.

    `identifiers`: audiences that are accepted beside the resource's own address. `ttl`: how long an issuer's keys are
    used without looking again.
    """
    from vestibule.resource_server.foreign import ForeignTokens

    def documents(trusted: TrustedIssuer) -> IssuerDocuments:
        return _documents(trusted, http=http, clock=clock, ttl=ttl, log=log)

    return ForeignTokens(issuers, documents=documents, http=http, identifiers=identifiers, tenants=tenants)


def make_foreign_tokens(
    configuration: "Configuration",
    http: HttpClient,
    clock: Clock,
    *,
    tenants: TenantMap | None = None,
    log: Callable[..., None] | None = None,
) -> "ForeignTokens | None":
    """Of the configuration; None: no issuer is trusted."""
    from vestibule.config.resource_server_rules import trusted_issuers

    section = configuration.resource_server
    if not section.issuers or section.mode == "local":
        return None
    return foreign_tokens(
        trusted_issuers(configuration),
        http=http,
        clock=clock,
        identifiers=section.identifiers,
        tenants=tenants,
        ttl=section.jwks_cache_ttl,
        log=log,
    )


def servers_of(configuration: "Configuration") -> tuple[str, ...]:
    """Where the resource metadata sends clients to sign in: to us first, because they take the first."""
    from vestibule.config.resource_server_rules import trusted_issuers

    section = configuration.resource_server
    ours = (configuration.issuer,) if configuration.signs_people_in else ()
    theirs = authorization_servers(trusted_issuers(configuration)) if section.mode != "local" else ()
    return (*ours, *theirs)


def authorization_servers(issuers: Sequence[TrustedIssuer]) -> tuple[str, ...]:
    """Where clients can sign in for tokens of these issuers (RFC 9728 §2): Google and GitHub give none for others."""
    found: dict[str, None] = {}
    for one in (issuer.complete() for issuer in issuers):
        if one.kind == "entra":
            found |= dict.fromkeys(f"{one.authority}/{tenant}/v2.0" for tenant in one.accepted_tenants)
        elif one.kind not in ("google", "github"):
            found[one.issuer] = None
    return tuple(found)


def _documents(
    trusted: TrustedIssuer, *, http: HttpClient, clock: Clock, ttl: timedelta, log: Callable[..., None] | None
) -> IssuerDocuments:
    if trusted.kind == "entra" and not trusted.jwks_uri:
        authority, tenants = trusted.authority, trusted.accepted_tenants
        return entra_documents(authority, tenants, http=http, clock=clock, ttl=ttl, log=log)
    return HttpIssuerDocuments(trusted.issuer, http=http, clock=clock, jwks_uri=trusted.jwks_uri, ttl=ttl, log=log)
