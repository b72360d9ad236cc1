"""What rules in CEL decide."""

from datetime import timedelta
from typing import Any

import pytest

from tests.policy.support import NOON, TICKETS, access, allow, caller, deny, is_allowed, refusal, resource, rules, tool
from vestibule.errors import PolicyDenied
from vestibule.model import Operation, Reading, Rule

MACHINERY = (
    " initialize notifications/initialized ping server/discover tools/list prompts/list resources/list "
    "resources/templates/list subscriptions/listen tasks/get"
).split(" ")


def test_a_rule_that_denies_wins_whatever_the_order() -> None:
    both = (allow(tools=("*",)), deny(tools=("delete_*",)))
    for order in (both, both[::-1]):
        engine = rules(*order, default="deny")
        assert is_allowed(engine, tool("get"))
        assert not is_allowed(engine, tool("delete_all"))


def test_what_no_rule_decides_is_the_defaults() -> None:
    assert is_allowed(rules(deny(tools=("x",))), tool("y"))
    assert not is_allowed(rules(allow(tools=("x",)), default="deny"), tool("y"))


@pytest.mark.parametrize("method", MACHINERY)
def test_nobody_is_locked_out_of_the_machinery_by_accident(method: str) -> None:
    assert is_allowed(rules(allow(tools=("x",)), default="deny"), Operation(method))
    assert is_allowed(rules(deny()), Operation(method))
    assert is_allowed(rules(deny(tools=("*",))), Operation(method))


def test_the_machinery_is_denied_by_a_rule_that_names_it() -> None:
    engine = rules(deny(methods=("resources/*",)))
    assert not is_allowed(engine, Operation("resources/list"))
    assert is_allowed(engine, Operation("tools/list"))


@pytest.mark.parametrize("method", ["completion/complete", "tools/frobnicate", "Tools/Call"])
def test_a_method_that_nobody_knows_is_a_use_of_something(method: str) -> None:
    assert not is_allowed(rules(allow(tools=("*",)), default="deny"), Operation(method, "x"))
    assert not is_allowed(rules(deny()), Operation(method, "x"))


def test_a_list_of_tools_says_nothing_of_prompts_and_resources() -> None:
    engine = rules(allow(tools=("*",)), default="deny")
    assert not is_allowed(engine, Operation("prompts/get", "x"))
    engine = rules(allow(prompts=("x",), resources=("t://*",)), default="deny")
    assert is_allowed(engine, Operation("prompts/get", "x"))
    assert is_allowed(engine, Operation("resources/read", "t://1"))
    assert not is_allowed(engine, tool("x"))


def test_a_rule_is_for_its_upstreams() -> None:
    engine = rules(deny(upstreams=("tick*",)))
    wiki = resource("wiki")
    assert not is_allowed(engine, tool("x"))
    assert refusal(access(engine, wiki), tool("x"), to=wiki) is None
    assert engine.reading("wiki") is Reading.NOTHING
    assert engine.reading("tickets") is Reading.NAME


@pytest.mark.parametrize(
    "when",
    [
        'principal.user == "work:ada"',
        'principal.subject == "ada" && principal.issuer == "https://id.example.com"',
        'principal.tenant == "company" && tenant == principal.tenant',
        'principal.client_id == "client"',
        'principal.shown == "access-token"',
        '"read" in principal.scopes',
        'principal.roles == ["a", "b"]',
        'principal.roles.exists(role, role.startsWith("a"))',
        'upstream == "tickets" && resource == "https://mcp.example.com/tickets/mcp"',
        'method == "tools/call" && tool == "x" && name == "x"',
        'now > timestamp("2026-07-28T11:59:59Z") && now.getHours("Europe/Berlin") == 14',
    ],
)
def test_what_a_condition_may_look_at(when: str) -> None:
    assert is_allowed(rules(allow(when), default="deny"), tool("x"), caller(roles=frozenset({"a", "b"})))


def test_a_condition_sees_the_arguments_that_its_rule_names_and_no_others() -> None:
    engine = rules(allow("has(arguments.a) && !has(arguments.b)", arguments=("a",)), default="deny")
    assert is_allowed(engine, tool("x", a=1, b=2))
    assert not is_allowed(engine, tool("x", b=2))
    assert not is_allowed(engine, tool("x"))


UNDECIDED: list[tuple[str, dict[str, Any]]] = [
    ('arguments.a == "x"', {}),
    ("arguments.a > 1", {"a": "text"}),
    ("arguments.a > 1", {"a": None}),
    ("arguments.a + 1 > 1", {"a": 2**63 - 1}),
    ("arguments.a > 1", {"a": 2**80}),
    ('"x".matches(arguments.a)', {"a": "("}),
    ("arguments.a.all(x, arguments.a.all(y, x + y >= 0))", {"a": list(range(900))}),
    ("arguments.a.size() >= 0", {"a": list(range(2000))}),
    ("arguments.a.size() >= 0", {"a": "x" * 20_000}),
    ("arguments.a.size() >= 0", {"a": "\ud800"}),
    ("arguments.a.size() >= 0", {"a": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}),
]


@pytest.mark.parametrize(("when", "arguments"), UNDECIDED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_decided_fails_closed(when: str, arguments: dict[str, Any]) -> None:
    call = tool("x", **arguments)
    assert not is_allowed(rules(allow(when, arguments=("a",)), default="deny"), call)
    assert not is_allowed(rules(deny(when, arguments=("a",))), call)


def test_one_rule_that_cannot_be_decided_does_not_take_what_another_allows() -> None:
    engine = rules(allow("arguments.a == 1", arguments=("a",)), allow(name="other"), default="deny")
    assert is_allowed(engine, tool("x"))


def test_the_person_reads_the_rules_message_and_the_log_its_name() -> None:
    engine = rules(deny(message="Ask in #tickets.", name="internal-only"))
    found = refusal(access(engine), tool("x"))
    assert isinstance(found, PolicyDenied)
    assert found.message == "Ask in #tickets."
    assert "internal-only" in found.detail
    assert "internal-only" not in found.message + found.action


def test_no_argument_gets_into_the_log() -> None:
    engine = rules(deny('"x".matches(arguments.a)', arguments=("a",)))
    found = refusal(access(engine), tool("x", a="(secret"))
    assert found is not None
    assert "secret" not in f"{found.message} {found.action} {found.detail}"


def test_whoever_has_not_signed_in_meets_the_rules_too() -> None:
    open_to_all = resource(access="anonymous")
    engine = rules(deny('principal.shown == "nothing"', tools=("delete_*",)))
    policy = access(engine, open_to_all)
    policy.check(None, open_to_all, tool("get"), NOON.timestamp())
    with pytest.raises(PolicyDenied):
        policy.check(None, open_to_all, tool("delete_x"), NOON.timestamp())


def test_arguments_are_read_where_a_rule_looks_at_them() -> None:
    looking: Rule = deny("has(arguments.a)", arguments=("a",), upstreams=("tickets",))
    assert access(rules(looking)).reading(TICKETS) is Reading.ARGUMENTS
    assert rules(looking).reading("wiki") is Reading.NOTHING
    assert rules(allow(), default="deny").reading("wiki") is Reading.NAME


def test_the_time_counts() -> None:
    engine = rules(deny('now >= timestamp("2026-07-28T13:00:00Z")'))
    policy, later = access(engine), NOON + timedelta(hours=1)
    who = caller(expires_at=NOON + timedelta(hours=9))
    assert refusal(policy, tool("x"), who) is None
    assert refusal(policy, tool("x"), who, now=later) is not None


@pytest.mark.parametrize("name", ["delete\n", "délete", "delete\U0001f5d1"])
def test_a_name_is_compared_to_the_letter(name: str) -> None:
    for engine in (rules(deny('tool == "delete"')), rules(deny(tools=("delete",)))):
        assert is_allowed(engine, tool(name))
    assert not is_allowed(rules(deny(f'tool.startsWith("d") && tool.size() == {len(name)}')), tool(name))


@pytest.mark.parametrize(
    "value",
    ["internal\0x", ["internal\0x"], {"a": "internal\0"}, {"internal\0": 1}, [[{"x": ["internal\0x"]}]]],
    ids=str,
)
def test_what_follows_a_nul_is_not_overlooked(value: Any) -> None:
    """The library ends texts there."""
    engine = rules(allow("arguments.project != 1", arguments=("project",)), default="deny")
    assert is_allowed(engine, tool("x", project="internal"))
    assert not is_allowed(engine, tool("x", project=value))
    assert not is_allowed(rules(allow('tool == "get"'), default="deny"), tool("get\0all"))
    assert not is_allowed(rules(deny('principal.user == "x"')), tool("get"), caller(user="work:ada\0"))
    assert not is_allowed(rules(deny('"x" in principal.roles')), tool("get"), caller(roles=frozenset({"a\0"})))
