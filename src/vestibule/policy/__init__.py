"""Who may do what: the scopes that every call to an upstream needs, and whose people somebody is."""

from vestibule.policy.scopes import ScopePolicy
from vestibule.policy.tenant_gate import TenantGate
from vestibule.policy.tenants import OneTenant, TenantRules

__all__ = ["OneTenant", "ScopePolicy", "TenantGate", "TenantRules"]
