"""Cedar behind the same port: the same ends as the rules in CEL."""

from typing import Any

import pytest

from tests.policy.support import access, allow, caller, deny, is_allowed, refusal, rules, tool
from tests.policy.test_rules import MACHINERY
from vestibule.model import Effect, Operation, Principal, Reading, Rule
from vestibule.policy.cedar import CedarRules
from vestibule.policy.question import Question, facts_of
from vestibule.policy.rules import CelRules
from vestibule.protocol.cedar import CedarPolicies


def cedar(text: str) -> CedarRules:
    return CedarRules(CedarPolicies(text))


PERMIT = "permit (principal, action, resource);"
BOTH: dict[str, tuple[str, Effect, tuple[Rule, ...]]] = {
    "patterns": (
        'permit (principal, action == Action::"tools/call", resource) when { resource.name like "get*" };',
        "deny",
        (allow(tools=("get*",)),),
    ),
    "roles": (
        PERMIT + 'forbid (principal, action, resource) unless { principal in Role::"admin" };',
        "allow",
        (deny('!("admin" in principal.roles)'),),
    ),
    "scopes and upstreams": (
        'permit (principal, action, resource in Upstream::"tickets") when { principal.scopes.contains("write") };',
        "deny",
        (allow('"write" in principal.scopes', upstreams=("tickets",)),),
    ),
    "an argument that must be there": (
        '@arguments("a: Long") permit (principal, action, resource) when { context.arguments has a '
        "&& context.arguments.a < 10 };",
        "deny",
        (allow("has(arguments.a) && arguments.a < 10", arguments=("a",)),),
    ),
    "an argument that forbids": (
        PERMIT + '@arguments("a: Long") forbid (principal, action, resource) when { context.arguments has a '
        "&& context.arguments.a > 10 };",
        "allow",
        (deny("has(arguments.a) && arguments.a > 10", arguments=("a",)),),
    ),
    "a text that forbids": (
        PERMIT + '@arguments("a") forbid (principal, action, resource) when { context.arguments has a '
        '&& context.arguments.a == "x" };',
        "allow",
        (deny("has(arguments.a) && arguments.a == 'x'", arguments=("a",)),),
    ),
}
CALLERS = [
    caller(),
    caller(roles=frozenset({"admin"}), scopes=frozenset({"read", "write"})),
    caller(tenant="other", user='work:\n"eve"\'::', scopes=frozenset({"read", ""})),
]
VALUES: list[Any] = ["x", "", 1, 11, 10.0, 2**70, -(2**63), None, True, [], ["x"], {"__extn": {"fn": "ip", "arg": "x"}}]
CALLS = [
    *(Operation(method, "x") for method in (*MACHINERY, "prompts/get", "resources/read", "completion/complete")),
    tool("get"),
    tool('"\\x\n'),
    *(tool("get", a=value) for value in VALUES),
    tool("get", a="x" * 20_000),
]


@pytest.mark.parametrize("name", BOTH)
def test_both_languages_decide_alike(name: str) -> None:
    text, default, given = BOTH[name]
    one, other = cedar(text), rules(*given, default=default)
    for who in CALLERS:
        for call in CALLS:
            for is_listing in (False, True):
                asked = _question(who, call, is_listing=is_listing)
                assert one.decide(asked).is_allowed == other.decide(asked).is_allowed, (who.user, call, is_listing)


def _question(who: Principal, call: Operation, *, is_listing: bool) -> Question:
    return Question(facts_of(who), "tickets", "https://mcp.example.com/tickets/mcp", call, 1e9, is_listing)


def test_what_cannot_be_evaluated_forbids() -> None:
    engine = cedar(
        PERMIT
        + '@id("few") @message("Too many.") @arguments("a: Long") forbid (principal, action, '
        + "resource) when { context.arguments has a && context.arguments.a > 10 };"
    )
    found = refusal(access(engine), tool("get", a="secret"))
    assert found is not None
    assert found.message == "Too many."
    assert "few" in found.detail
    assert "secret" not in found.detail


def test_a_name_that_is_no_text_is_not_allowed() -> None:
    assert not is_allowed(cedar(PERMIT), tool("\ud800"))


def test_a_fraction_is_not_taken_for_something_that_it_is_not() -> None:
    engine = cedar(
        PERMIT + '@arguments("a: Long") forbid (principal, action, resource) when { context.arguments has a '
        "&& context.arguments.a > 10 };"
    )
    assert not is_allowed(engine, tool("get", a=10.5))


def test_what_is_read_and_kept_hangs_on_what_the_policies_look_at() -> None:
    plain = cedar(PERMIT)
    timed = cedar('permit (principal, action, resource) when { context.now > datetime("2026-01-01") };')
    looking = cedar('@arguments("a") permit (principal, action, resource) when { context.arguments has a };')
    assert [one.reading("x") for one in (plain, timed, looking)] == [Reading.NAME, Reading.NAME, Reading.ARGUMENTS]
    asked = (plain, timed, looking)
    assert [one.is_lasting("x", tool("y"), is_listing=False) for one in asked] == [True, False, False]
    assert [one.is_lasting("x", tool("y"), is_listing=True) for one in asked] == [True, False, True]


def test_entities_of_callers_are_bounded() -> None:
    engine = cedar(PERMIT)
    for number in range(1500):
        assert is_allowed(engine, tool(f"get{number}"))
    assert len(engine._entities) <= 1024


def test_the_engines_are_known_by_what_they_have_in_common() -> None:
    assert isinstance(rules(), CelRules)
    assert cedar('@id("a") permit (principal, action, resource);').rule_names == ("a",)
