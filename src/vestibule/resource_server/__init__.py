"""Is this call allowed: verify → Principal → challenge. For our own sealed tokens; each is for exactly one resource."""

from vestibule.resource_server.doorkeeper import ResourceServer
from vestibule.resource_server.proofs import DpopProofs
from vestibule.resource_server.revocations import RevocationWatch

__all__ = ["DpopProofs", "ResourceServer", "RevocationWatch"]
