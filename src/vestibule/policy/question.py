"""What a rule may know of a call: nothing else decides, so that nothing else need be in the key of a kept decision."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from vestibule.model import Operation, Principal, Reading


class Facts(NamedTuple):
    """Of who calls. A decision is kept by these, so whatever a rule is to see of a principal is added here."""

    user: str = ""
    subject: str = ""
    issuer: str = ""
    tenant: str = ""
    client_id: str = ""
    shown: str = ""
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


NOBODY = Facts(shown="nothing")


def facts_of(principal: Principal | None) -> Facts:
    if principal is None:
        return NOBODY
    return Facts(
        user=principal.user,
        subject=principal.subject,
        issuer=principal.identity_issuer or principal.issuer,
        tenant=principal.tenant,
        client_id=principal.client_id,
        shown=principal.shown,
        scopes=principal.scopes,
        roles=principal.roles,
    )


@dataclass(frozen=True, slots=True)
class Question:
    """May they? `is_listing`: arguments are open, and the question is whether some could be allowed."""

    who: Facts
    upstream: str
    resource: str  # its identifier
    operation: Operation
    now: float  # seconds since the epoch
    is_listing: bool = False


class Verdict(NamedTuple):
    """`rule` decided; empty: the default did. `why` is for whoever writes rules and may hold arguments; `noted` is for
    the log and holds none."""

    is_allowed: bool
    rule: str = ""
    message: str = ""
    why: str = ""
    noted: str = ""


class Engine(Protocol):
    """A policy, ready to decide. Nothing in it waits."""

    def reading(self, upstream: str) -> Reading:
        """How much of a request to this upstream its rules want to know."""

    def is_lasting(self, upstream: str, operation: Operation, *, is_listing: bool) -> bool:
        """Whether the verdict hangs on nothing but the key: neither on the time nor, in a call, on arguments."""

    def decide(self, question: Question) -> Verdict: ...

    @property
    def rule_names(self) -> tuple[str, ...]: ...
