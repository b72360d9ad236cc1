"""A proof of possession, as a request carries it (RFC 9449)."""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that says what it must; see `protocol.dpop` for what that is."""

    thumbprint: str  # of its key, RFC 7638 with SHA-256
    jti: str
    issued_at: int  # seconds since the epoch
    nonce: str = field(default="", repr=False)

    @property
    def digest(self) -> bytes:
        """What is remembered of it, so that it counts once."""
        return hashlib.sha256(f"{self.thumbprint}\n{self.jti}".encode("utf-8", "surrogatepass")).digest()
