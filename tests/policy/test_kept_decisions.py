"""Decisions that are kept: for whom, for what, and how long."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from tests.policy.support import NOON, TICKETS, allow, caller, deny, is_allowed, refusal, resource, rules, tool
from vestibule.model import Operation, Principal, Reading
from vestibule.policy import AccessPolicy
from vestibule.policy.question import Question, Verdict, facts_of
from vestibule.policy.rules import CelRules


class Counting:
    """The real rules, and how often they were asked."""

    def __init__(self, engine: CelRules) -> None:
        self.engine = engine
        self.asked = 0
        self.rule_names = engine.rule_names

    def reading(self, upstream: str) -> Reading:
        return self.engine.reading(upstream)

    def is_lasting(self, upstream: str, operation: Operation, *, is_listing: bool) -> bool:
        return self.engine.is_lasting(upstream, operation, is_listing=is_listing)

    def decide(self, question: Question) -> Verdict:
        self.asked += 1
        return self.engine.decide(question)


def kept(engine: CelRules, *operations: Operation, who: Principal | None = None) -> int:
    """How often the rules are asked for these calls."""
    counting = Counting(engine)
    policy = AccessPolicy([TICKETS.upstream], counting)
    for operation in operations:
        refusal(policy, operation, who)
    return counting.asked


PLAIN = rules(deny('"read" in principal.scopes && tool == "y"'))


def test_allowed_and_denied_are_both_kept() -> None:
    assert kept(PLAIN, tool("x"), tool("x")) == 1
    assert kept(PLAIN, tool("y"), tool("y")) == 1
    assert kept(PLAIN, tool("x"), tool("y"), Operation("prompts/get", "x")) == 3


def test_what_hangs_on_arguments_or_the_time_is_not_kept() -> None:
    assert kept(rules(deny("has(arguments.a)", arguments=("a",))), tool("x"), tool("x", a=1), tool("x")) == 3
    assert kept(rules(deny('now < timestamp("2020-01-01T00:00:00Z")')), tool("x"), tool("x")) == 2


def test_a_rule_that_a_call_does_not_meet_keeps_nobody_from_keeping() -> None:
    engine = rules(deny("has(arguments.a)", arguments=("a",), tools=("z",)), deny("now == now", tools=("y",)))
    assert kept(engine, tool("x"), tool("x", a=1)) == 1


CHANGES = {
    "user": "work:eve",
    "subject": "eve",
    "identity_issuer": "https://other.example.com",
    "tenant": "other",
    "client_id": "other",
    "scopes": frozenset({"read", "more"}),
    "roles": frozenset({"other"}),
    "shown": "api-key",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_decision_is_kept_for_nobody_else(name: str) -> None:
    counting = Counting(PLAIN)
    policy = AccessPolicy([TICKETS.upstream], counting)
    for who in (caller(), replace(caller(), **{name: CHANGES[name]})):  # type: ignore[arg-type]  # a name of ours
        policy.check(who, TICKETS, tool("x"), NOON.timestamp())
    assert counting.asked == 2


def test_rules_know_no_more_of_a_caller_than_the_key_of_a_kept_decision() -> None:
    others = {one.name for one in fields(Principal)} - {*CHANGES, "issuer"}
    changed = {name: "x" for name in others if isinstance(getattr(caller(), name), str)}
    assert facts_of(replace(caller(), **changed)) == facts_of(caller())  # type: ignore[arg-type]  # names of ours


def test_a_decision_is_kept_for_its_resource() -> None:
    counting, wiki = Counting(PLAIN), resource("wiki")
    policy = AccessPolicy([TICKETS.upstream, wiki.upstream], counting)
    policy.check(caller(), TICKETS, tool("x"), NOON.timestamp())
    policy.check(caller(), wiki, tool("x"), NOON.timestamp())
    assert counting.asked == 2


def test_a_decision_does_not_outlive_the_token() -> None:
    counting = Counting(PLAIN)
    policy = AccessPolicy([TICKETS.upstream], counting)
    who = caller(expires_at=NOON + timedelta(minutes=1))
    for seconds in (0, 59, 60):
        policy.check(who, TICKETS, tool("x"), NOON.timestamp() + seconds)
    assert counting.asked == 2


def test_what_callers_make_up_does_not_fill_the_memory() -> None:
    engine = rules(allow(tools=("*x",)), default="deny")
    policy = AccessPolicy([TICKETS.upstream], engine)
    for number in range(10_000):
        refusal(policy, tool(f"{number}x"))
    refusal(policy, tool("y" * 100_000))
    assert len(policy._kept) <= 4096
    assert len(engine._plans) <= 4096
    assert is_allowed(engine, tool("1x"))
