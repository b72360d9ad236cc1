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
    facts: Mapping[str, str] = field(default_factory=dict)
