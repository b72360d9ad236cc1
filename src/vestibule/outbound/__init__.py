"""The only door out: what we may connect to, how long we wait, how much we read."""

from vestibule.outbound.addresses import AddressGuard, is_public, read_host
from vestibule.outbound.client import OutboundClient
from vestibule.outbound.fetcher import GuardedFetcher
from vestibule.outbound.issuer_documents import HttpIssuerDocuments
from vestibule.outbound.resolver import PinnedHost, SystemResolver, pin, resolve
from vestibule.outbound.tls import client_context

__all__ = [
    "AddressGuard",
    "GuardedFetcher",
    "HttpIssuerDocuments",
    "OutboundClient",
    "PinnedHost",
    "SystemResolver",
    "client_context",
    "is_public",
    "pin",
    "read_host",
    "resolve",
]
