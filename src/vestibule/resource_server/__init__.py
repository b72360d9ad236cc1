"""Who is calling: our own tokens, API keys, and tokens of trusted issuers, each for exactly one resource."""

from vestibule.resource_server.doorkeeper import ResourceServer
from vestibule.resource_server.proofs import DpopProofs
from vestibule.resource_server.revocations import RevocationWatch

__all__ = ["DpopProofs", "ResourceServer", "RevocationWatch"]
