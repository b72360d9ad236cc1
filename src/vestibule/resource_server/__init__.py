"""Is this call allowed: verify → Principal → challenge. For our own access tokens and for API keys."""

from vestibule.resource_server.api_keys import ApiKeys
from vestibule.resource_server.doorkeeper import ResourceServer
from vestibule.resource_server.proofs import DpopProofs
from vestibule.resource_server.revocations import RevocationWatch

__all__ = ["ApiKeys", "DpopProofs", "ResourceServer", "RevocationWatch"]
