"""Callers, upstreams and policies for tests, each in one line."""

from datetime import UTC, datetime
from typing import Any

from vestibule.errors import Refusal
from vestibule.model import Effect, Operation, Policy, Principal, Resource, Rule, Upstream
from vestibule.policy import AccessPolicy, Engine
from vestibule.policy.rules import CelRules

NOON = datetime(2026, 7, 28, 12, tzinfo=UTC)


def caller(**changes: Any) -> Principal:
    given: dict[str, Any] = {
        "issuer": "https://mcp.example.com",
        "subject": "ada",
        "user": "work:ada",
        "tenant": "company",
        "client_id": "client",
        "scopes": frozenset({"read"}),
        "resource": "https://mcp.example.com/tickets/mcp",
        "grant_id": "g",
        "token_id": "t",
        "expires_at": datetime(2026, 7, 28, 13, tzinfo=UTC),
        "identity_issuer": "https://id.example.com",
        **changes,
    }
    return Principal(**given)


def resource(name: str = "tickets", **changes: Any) -> Resource:
    upstream = Upstream(name, "http://127.0.0.1:9/mcp", **{"scopes": ("read",), **changes})
    return Resource(f"https://mcp.example.com/{name}/mcp", f"/{name}/mcp", upstream)


TICKETS = resource()


def rules(*given: Rule, default: Effect = "allow") -> CelRules:
    return CelRules(Policy(default, given))


def allow(when: str = "", **more: Any) -> Rule:
    return Rule(more.pop("name", "allows"), "allow", when, **more)


def deny(when: str = "", **more: Any) -> Rule:
    return Rule(more.pop("name", "denies"), "deny", when, **more)


def access(engine: Engine | None = None, to: Resource = TICKETS) -> AccessPolicy:
    return AccessPolicy([to.upstream], engine)


def tool(name: str, **arguments: Any) -> Operation:
    return Operation("tools/call", name, arguments or None)


def refusal(
    policy: AccessPolicy,
    operation: Operation,
    who: Principal | None = None,
    to: Resource = TICKETS,
    now: datetime = NOON,
) -> Refusal | None:
    """What `check` raises, for ada when nobody is named."""
    try:
        policy.check(who or caller(), to, operation, now.timestamp())
    except Refusal as error:
        return error
    return None


def is_allowed(engine: Engine, operation: Operation, who: Principal | None = None, now: datetime = NOON) -> bool:
    return refusal(access(engine), operation, who, now=now) is None
