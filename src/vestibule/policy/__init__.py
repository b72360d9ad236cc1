"""Who may do what, and how often: scopes per upstream and tool, tenants, rules in CEL or Cedar, and limits.

`access` is the one decision, `rules` are those in CEL, `cedar` those in Cedar; `examples` asks either what it says.
`limits` counts calls in this process, `leases` together with the other replicas, `throttle` what strangers may try.
`tenants` says whose people somebody is, `tenant_gate` whether that organisation may come in.
"""

from vestibule.policy.access import AccessPolicy
from vestibule.policy.leases import LeasedCallLimits
from vestibule.policy.limits import CallRates, LocalCallLimits
from vestibule.policy.question import Engine
from vestibule.policy.tenant_gate import TenantGate
from vestibule.policy.tenants import OneTenant, TenantRules
from vestibule.policy.throttle import LocalThrottle, SharedThrottle

__all__ = [
    "AccessPolicy",
    "CallRates",
    "Engine",
    "LeasedCallLimits",
    "LocalCallLimits",
    "LocalThrottle",
    "OneTenant",
    "SharedThrottle",
    "TenantGate",
    "TenantRules",
]
