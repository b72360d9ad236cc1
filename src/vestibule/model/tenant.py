"""One organisation's isolated space."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vestibule.model.identity import TenantId


class TenantState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"  # nobody comes in; everything is kept
    DELETED = "deleted"  # nothing is kept but the name, and when: what was given under it stays dead


@dataclass(frozen=True, slots=True)
class Tenant:
    tenant: TenantId
    state: TenantState
    created_at: datetime  # UTC
    changed_at: datetime  # UTC; of the state
    title: str = ""
