"""A key that a program shows instead of an access token."""

from dataclasses import dataclass, field
from datetime import datetime

from vestibule.model.identity import TenantId
from vestibule.model.secret import TokenDigest


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key itself is shown once, when it is made; what is kept is its digest."""

    key_id: str
    digest: TokenDigest = field(repr=False)
    tenant: TenantId
    name: str  # what its maker calls it
    scopes: tuple[str, ...]
    created_at: datetime  # UTC
    created_by: str = ""  # the person who made it; empty: an operator at the command line
    upstreams: tuple[str, ...] = ()  # names; empty: all of them
    expires_at: datetime | None = None  # UTC; None: never
    revoked_at: datetime | None = None  # UTC
    last_used_at: datetime | None = None  # UTC; exact to a few minutes

    @property
    def user(self) -> str:
        """As whom it calls: no person, and no person's name."""
        return f"api-key:{self.key_id}"
