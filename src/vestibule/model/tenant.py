"""One organisation's isolated space."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from vestibule.model.identity import TenantId

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def is_tenant_name(name: str) -> bool:
    """Whether somebody may call a tenant so. What is derived from a name (a schema, a file) does not trust this."""
    return _NAME.fullmatch(name) is not None


class TenantState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"  # nobody comes in; everything is kept
    DELETED = "deleted"  # nothing is kept but the name, and when: what was given under it stays dead


OF_FILE = datetime.fromtimestamp(0, UTC)
"""When those began that only the configuration names."""


@dataclass(frozen=True, slots=True)
class Tenant:
    tenant: TenantId
    state: TenantState
    created_at: datetime  # UTC
    changed_at: datetime  # UTC; of the state
    title: str = ""

    @property
    def is_of_file(self) -> bool:
        """Whether nobody ever made it but the configuration; it is there as long as it is named."""
        return self.created_at == OF_FILE
