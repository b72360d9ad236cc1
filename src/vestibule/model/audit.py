"""One line of the trail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["allowed", "denied", "failed"]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What someone did, or tried to. It holds identifiers, never a secret."""

    at: datetime  # UTC
    action: str  # noun.verb: client.register, consent.approve, code.redeem, token.refresh, grant.revoke …
    outcome: Outcome
    request_id: str
    actor: str = ""  # a user, or a client where no person is involved
    client_id: str = ""
    tenant: str = ""
    target: str = ""  # what it was done to: a grant, a resource, a client
    reason: str = ""
    address: str = ""  # the peer's
    tool: str = ""  # of a call; for other MCP requests their method
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditLink:
    """An event in its place: each tenant has a chain of its own, and each link names the one before by its hash."""

    event: AuditEvent
    sequence: int  # from 1, without gaps; 0: from before the chains
    hash: str  # SHA-256 over the hash before and the event, in hex
    row: int = 0  # the store's own number: it grows along every chain

    @property
    def place(self) -> "AuditPlace":
        return self.sequence, self.row


AuditPlace: TypeAlias = tuple[int, int]
"""Where a link stands in its chain: sequence and row."""


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where a tenant's chain ends. Only whoever has the key ring can make its tag."""

    tenant: str
    sequence: int
    hash: str
    tag: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events; what is empty restricts nothing. `since` counts, `until` does not."""

    tenant: str = ""
    actor: str = ""
    client_id: str = ""
    action: str = ""
    tool: str = ""
    outcome: str = ""
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""  # somewhere in target, reason, facts, actor, client or tool; case does not matter
