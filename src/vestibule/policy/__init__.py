"""Who may do what, and how often: the scopes that every call to an upstream needs, and the limits."""

from vestibule.policy.leases import LeasedCallLimits
from vestibule.policy.limits import CallRates, LocalCallLimits
from vestibule.policy.scopes import ScopePolicy
from vestibule.policy.throttle import LocalThrottle, SharedThrottle

__all__ = ["CallRates", "LeasedCallLimits", "LocalCallLimits", "LocalThrottle", "ScopePolicy", "SharedThrottle"]
