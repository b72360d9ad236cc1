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

from vestibule.outbound.issuer_documents import KEEP, HttpIssuerDocuments
from vestibule.ports import Clock, HttpClient, IssuerDocuments, TenantMap
from vestibule.resource_server.trusted_issuer import TrustedIssuer
from vestibule.wiring.issuers import entra_documents

if TYPE_CHECKING:
    from vestibule.resource_server.foreign import ForeignTokens  # brings the JOSE library: 3 MB

__all__ = ["TrustedIssuer", "foreign_tokens"]


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


def _documents(
    trusted: TrustedIssuer, *, http: HttpClient, clock: Clock, ttl: timedelta, log: Callable[..., None] | None
) -> IssuerDocuments:
    from vestibule.resource_server.signed_tokens import authority_of, tenants_of

    if trusted.kind == "entra" and not trusted.jwks_uri:
        authority, tenants = authority_of(trusted.issuer), tenants_of(trusted)
        return entra_documents(authority, tenants, http=http, clock=clock, ttl=ttl, log=log)
    return HttpIssuerDocuments(trusted.issuer, http=http, clock=clock, jwks_uri=trusted.jwks_uri, ttl=ttl, log=log)
