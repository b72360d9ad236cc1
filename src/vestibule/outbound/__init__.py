"""The only door out: what we may connect to, how long we wait, how much we read."""

from vestibule.outbound.addresses import AddressGuard
from vestibule.outbound.client import OutboundClient
from vestibule.outbound.fetcher import GuardedFetcher
from vestibule.outbound.resolver import resolve

__all__ = ["AddressGuard", "GuardedFetcher", "OutboundClient", "resolve"]
