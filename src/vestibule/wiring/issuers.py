"""Where the documents and keys of issuers come from, for all who verify: sign-ins, assertions, foreign tokens."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from vestibule.authorization_server.assertion_issuers import AssertionIssuer, AssertionIssuers
from vestibule.oauth_client.discovery import metadata_url, read_key_metadata
from vestibule.outbound.issuer_documents import KEEP, HttpIssuerDocuments
from vestibule.ports import Clock, HttpClient, IssuerMetadata


def entra_issuer(authority: str, tenants: Sequence[str]) -> str:
    """What the discovery document calls its issuer: one tenant's, or the template of many."""
    from vestibule.protocol.entra import TENANT_TEMPLATE, issuer_of

    return issuer_of(authority, tenants[0] if len(tenants) == 1 else TENANT_TEMPLATE)


def entra_documents(
    authority: str,
    tenants: Sequence[str],
    *,
    http: HttpClient,
    clock: Clock,
    read: Callable[..., IssuerMetadata] = read_key_metadata,
    ttl: timedelta = KEEP,
    log: Callable[..., None] | None = None,
) -> HttpIssuerDocuments:
    """Of one tenant; or of all, whose document has a template in place of the tenant."""
    from vestibule.protocol.entra import issuer_of

    url = metadata_url(issuer_of(authority, tenants[0] if len(tenants) == 1 else "organizations"))
    issuer = entra_issuer(authority, tenants)
    return HttpIssuerDocuments(issuer, http=http, clock=clock, urls=(url,), ttl=ttl, read=read, log=log)


def make_assertion_directory(issuers: Sequence[AssertionIssuer], http: HttpClient, clock: Clock) -> AssertionIssuers:
    keys = {
        one.issuer: HttpIssuerDocuments(one.issuer, http=http, clock=clock, jwks_uri=one.jwks_uri) for one in issuers
    }
    return AssertionIssuers(issuers, keys)
