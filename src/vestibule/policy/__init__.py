"""Who may do what. For now: the scopes that every call to an upstream needs."""

from vestibule.policy.scopes import ScopePolicy

__all__ = ["ScopePolicy"]
