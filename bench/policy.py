"""What does a decision cost? `python -m bench.policy` (or `make bench-policy`).

The same policy of twenty rules in CEL and in Cedar, asked for one tools/call that three of them are about; and one
condition alone, in each library for CEL that is installed. Interleaved round by round on this machine: the
fastest round and the median, and the ratio to the rules in CEL with its spread (the middle half of the rounds).
"""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vestibule.model import Operation, Policy, Principal, Resource, Rule, ScopePattern, Upstream
from vestibule.policy import AccessPolicy
from vestibule.policy.cedar import CedarRules
from vestibule.policy.question import Question, facts_of
from vestibule.policy.rules import CelRules
from vestibule.protocol.cedar import CedarPolicies
from vestibule.protocol.cel import Condition

BASE = "rules in CEL"
NOW = datetime(2026, 7, 28, 12, tzinfo=UTC)
CONDITION = '"support" in principal.roles && tenant == "company" && arguments.project in ["internal", "public"]'
PRINCIPAL = Principal(
    issuer="https://mcp.example.com",
    subject="ada",
    user="work:ada",
    tenant="company",
    client_id="https://client.example.com/id",
    scopes=frozenset({"tickets.read", "tickets.write"}),
    resource="https://mcp.example.com/tickets/mcp",
    grant_id="g",
    token_id="t",
    expires_at=NOW + timedelta(minutes=10),
    roles=frozenset({"support", "engineer"}),
)
RESOURCE = Resource(
    "https://mcp.example.com/tickets/mcp",
    "/tickets/mcp",
    Upstream(
        "tickets",
        "http://127.0.0.1:9/mcp",
        scopes=("tickets.read",),
        tool_scopes=(ScopePattern("create_*", ("tickets.write",)),),
    ),
)
CALL = Operation("tools/call", "create_ticket", {"project": "internal", "text": "x" * 200})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--calls", type=int, default=500, help="in each round")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    rounds = measure(contestants(), options.rounds, options.calls)
    report(rounds)
    if options.json:
        options.json.write_text(json.dumps(rounds, indent=2))


def contestants() -> dict[str, Callable[[], object]]:
    plain = cel_rules(with_arguments=False)
    cel, cedar = cel_rules(with_arguments=True), cedar_rules()
    now = NOW.timestamp()
    question = Question(facts_of(PRINCIPAL), "tickets", RESOURCE.identifier, CALL, now)
    kept, asked = AccessPolicy([RESOURCE.upstream], plain), AccessPolicy([RESOURCE.upstream], cel)
    scopes = AccessPolicy([RESOURCE.upstream])
    return {
        BASE: lambda: cel.decide(question),
        "rules in Cedar": lambda: cedar.decide(question),
        "check: scopes alone": lambda: scopes.check(PRINCIPAL, RESOURCE, CALL, now),
        "check: a decision that is kept": lambda: kept.check(PRINCIPAL, RESOURCE, CALL, now),
        "check: one that hangs on arguments": lambda: asked.check(PRINCIPAL, RESOURCE, CALL, now),
        **conditions(),
    }


def cel_rules(*, with_arguments: bool) -> CelRules:
    noise = [
        Rule(f"other-{number}", "deny", 'principal.tenant == "none"', tools=(f"delete_{number}*",))
        for number in range(17)
    ]
    last = Rule("creates", "allow", CONDITION, tools=("create_*",), arguments=("project",))
    if not with_arguments:
        last = Rule("creates", "allow", '"support" in principal.roles && tenant == "company"', tools=("create_*",))
    met = (
        Rule("blocked", "deny", 'principal.user == "work:eve"'),
        Rule("read-only", "deny", '!("tickets.write" in principal.scopes)', tools=("create_*",)),
        last,
    )
    return CelRules(Policy("deny", (*noise, *met)))


def cedar_rules() -> CedarRules:
    noise = "".join(
        f'forbid (principal, action, resource) when {{ resource.name like "delete_{number}*" '
        '&& principal.tenant == "none" };'
        for number in range(17)
    )
    met = """
    forbid (principal == User::"work:eve", action, resource);
    forbid (principal, action, resource) when {
      resource.name like "create_*" && !principal.scopes.contains("tickets.write")
    };
    @arguments("project") permit (principal in Role::"support", action, resource) when {
      resource.name like "create_*" && principal.tenant == "company" && context.arguments has project
      && ["internal", "public"].contains(context.arguments.project)
    };
    """
    return CedarRules(CedarPolicies(noise + met))


def conditions() -> dict[str, Callable[[], object]]:
    """One condition, with the variables as each library wants them."""
    flat: Mapping[str, Any] = {
        "principal.roles": ["support", "engineer"],
        "tenant": "company",
        "arguments": {"project": "internal"},
    }
    nested = {
        "principal": {"roles": ["support", "engineer"]},
        "tenant": "company",
        "arguments": {"project": "internal"},
    }
    ours = Condition(CONDITION)
    found: dict[str, Callable[[], object]] = {"one condition: cel-expr-python": lambda: ours.holds(flat)}
    try:
        program = importlib.import_module("cel").compile(CONDITION)
    except ImportError:
        return found
    return {**found, "one condition: common-expression-language": lambda: program.execute(nested)}


def measure(what: Mapping[str, Callable[[], object]], rounds: int, calls: int) -> dict[str, list[float]]:
    """Microseconds a call, by contestant and round."""
    times: dict[str, list[float]] = {name: [] for name in what}
    for _ in range(rounds):
        for name, call in what.items():
            started = time.perf_counter()
            for _ in range(calls):
                call()
            times[name].append((time.perf_counter() - started) / calls * 1e6)
    return times


def report(rounds: Mapping[str, list[float]]) -> None:
    print(f"{'':<44}{'fastest':>8}{'median':>8} µs   ratio (spread)")
    for name, times in rounds.items():
        ratios = [mine / base for mine, base in zip(times, rounds[BASE], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"{name:<44}{min(times):8.1f}{statistics.median(times):8.1f}      {middle:5.2f} ({low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
