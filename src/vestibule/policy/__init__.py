"""Who may do what: scopes per upstream and tool, tenants, and rules in CEL or Cedar.

`access` is the one decision, `rules` are those in CEL, `cedar` those in Cedar; `examples` asks either what it says.
"""

from vestibule.policy.access import AccessPolicy
from vestibule.policy.question import Engine

__all__ = ["AccessPolicy", "Engine"]
