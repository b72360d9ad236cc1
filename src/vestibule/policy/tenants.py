"""Which organisation somebody belongs to, by what a provider has verified.

The rules are asked in the operator's order, and the first that knows decides; whom none knows belongs to the default,
and where there is none, to nobody. A rule that finds two answers has none, and neither have those after it: who could
choose between two organisations is not let into either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vestibule.model import DEFAULT_TENANT, Identity, TenantId
from vestibule.protocol.claims import values_at
from vestibule.protocol.email_domain import domain_of

By: TypeAlias = Literal["static", "entra", "claim", "email-domain"]

_UNDECIDED = ""  # two answers


@dataclass(frozen=True, slots=True)
class TenantRules:
    """Implements `ports.TenantMap`."""

    by: Sequence[By]
    people: Mapping[str, TenantId] = field(default_factory=dict)  # provider:subject, to the letter
    issuers: Mapping[str, TenantId] = field(default_factory=dict)  # Entra's, each of one directory
    claim: str = ""  # a name, or a path with dots
    values: Mapping[str, TenantId] = field(default_factory=dict)  # of the claim
    domains: Mapping[str, TenantId] = field(default_factory=dict)  # A-labels in lower case
    providers: frozenset[str] = frozenset()  # whose claims and addresses count; empty: everybody's
    default: TenantId | None = None  # None: nobody's

    def tenant_of(self, identity: Identity) -> TenantId | None:
        for rule in self.by:
            found = self._ask(rule, identity)
            if found is not None:
                return found or None
        return self.default

    def keeps(self, identity: Identity, tenant: TenantId) -> bool:
        for rule in self.by:
            if rule == "claim":
                if tenant in self.values.values():
                    return True  # only the next sign-in can tell
                continue
            found = self._ask(rule, identity)
            if found is not None:
                return found == tenant
        return self.default == tenant

    def _ask(self, rule: By, identity: Identity) -> TenantId | None:
        counts = not self.providers or identity.provider in self.providers
        match rule:
            case "static":
                return self.people.get(identity.user)
            case "entra":
                return self.issuers.get(identity.issuer)
            case "claim":
                return self._by_claim(identity) if counts else None
            case "email-domain":
                domain = domain_of(identity.email) if identity.email and counts else None
                return self.domains.get(domain) if domain is not None else None

    def _by_claim(self, identity: Identity) -> TenantId | None:
        found = {self.values[value] for value in values_at(identity.claims, self.claim) if value in self.values}
        if len(found) > 1:
            return _UNDECIDED
        return found.pop() if found else None


@dataclass(frozen=True, slots=True)
class OneTenant:
    """Everybody is in one: what runs without a `tenants` section. Implements `ports.TenantMap`."""

    tenant: TenantId = DEFAULT_TENANT

    def tenant_of(self, identity: Identity) -> TenantId | None:
        return self.tenant

    def keeps(self, identity: Identity, tenant: TenantId) -> bool:
        return tenant == self.tenant
