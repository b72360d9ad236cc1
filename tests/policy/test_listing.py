"""What a listing shows and what a call may do are one decision."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.support import NOON, access, allow, caller, deny, is_allowed, refusal, resource, rules, tool
from vestibule.model import Effect, Operation, Policy, Principal, Resource, Rule, ScopePattern
from vestibule.policy import AccessPolicy
from vestibule.policy.rules import CelRules

NAMES = st.sampled_from(["get", "get_all", "set", "set_all", "x"])
PATTERNS = st.sampled_from(["*", "get*", "*_all", "set", "?et", "[g]et", "nothing"])
SCOPES = st.sampled_from(["read", "write", "admin"])
PLAIN = [
    "",
    "true",
    "false",
    '"admin" in principal.roles',
    'tenant == "company"',
    'tool == "get" || "write" in principal.scopes',
    'now < timestamp("2026-07-28T12:30:00Z")',
    'principal.user.startsWith("work:")',
]
WITH_ARGUMENTS = [
    "has(arguments.a)",
    "arguments.a == 1",
    "arguments.a > 0 && tenant == 'company'",
    "!has(arguments.a) || arguments.a != 1",
]
METHODS = st.sampled_from(["tools/call", "prompts/get", "resources/read"])


@st.composite
def policies(draw: st.DrawFn, *, arguments: bool) -> Policy:
    def rule(number: int) -> Rule:
        when = draw(st.sampled_from(PLAIN + (WITH_ARGUMENTS if arguments else [])))
        effect: Effect = draw(st.sampled_from(["allow", "deny"]))
        patterns = {kind: draw(st.just(()) | st.tuples(PATTERNS)) for kind in ("tools", "prompts", "resources")}
        named = ("a",) if "arguments" in when else ()
        return Rule(
            f"r{number}",
            effect,
            when,
            arguments=named,
            tools=patterns["tools"],
            prompts=patterns["prompts"],
            resources=patterns["resources"],
        )

    default: Effect = draw(st.sampled_from(["allow", "deny"]))
    return Policy(default, tuple(rule(number) for number in range(draw(st.integers(0, 4)))))


CALLERS = st.builds(
    caller,
    scopes=st.frozensets(SCOPES),
    roles=st.frozensets(st.sampled_from(["admin", "support"])),
    tenant=st.sampled_from(["company", "other"]),
)
UPSTREAMS = st.builds(
    resource,
    scopes=st.sampled_from([(), ("read",)]),
    tool_scopes=st.lists(st.builds(ScopePattern, PATTERNS, st.tuples(SCOPES)), max_size=2).map(tuple),
    tenants=st.sampled_from([(), ("company",)]),
    access=st.sampled_from(["required", "anonymous"]),
)
TIMES = st.integers(0, 3600).map(lambda seconds: NOON.timestamp() + seconds)


@settings(max_examples=150, deadline=None)
@given(policies(arguments=False), UPSTREAMS, st.none() | CALLERS, METHODS, NAMES, TIMES)
def test_without_rules_about_arguments_what_is_listed_is_what_can_be_called(
    policy: Policy, to: Resource, who: Principal | None, method: str, name: str, now: float
) -> None:
    assert _listed_and_callable(policy, to, who, Operation(method, name), now) in {(True, True), (False, False)}


@settings(max_examples=150, deadline=None)
@given(
    policies(arguments=True),
    UPSTREAMS,
    st.none() | CALLERS,
    METHODS,
    NAMES,
    TIMES,
    st.none() | st.dictionaries(st.sampled_from(["a", "b"]), st.integers() | st.text() | st.none()),
)
def test_whatever_can_be_called_is_listed(
    policy: Policy,
    to: Resource,
    who: Principal | None,
    method: str,
    name: str,
    now: float,
    arguments: dict[str, object],
) -> None:
    listed, callable_ = _listed_and_callable(policy, to, who, Operation(method, name, arguments), now)
    assert listed or not callable_


ASKED = st.tuples(st.none() | CALLERS, METHODS, NAMES, st.sampled_from([None, 1, "x"]), TIMES, st.booleans())


@settings(max_examples=100, deadline=None)
@given(policies(arguments=True), UPSTREAMS, st.lists(ASKED, min_size=2, max_size=12))
def test_a_kept_decision_is_the_one_that_would_be_made_anew(policy: Policy, to: Resource, asked: list[Any]) -> None:
    engine = CelRules(policy)
    keeping = AccessPolicy([to.upstream], engine)
    for who, method, name, value, now, is_listing in asked:
        operation = Operation(method, name, None if value is None else {"a": value})
        answers: list[object] = []
        for permission in (keeping, AccessPolicy([to.upstream], engine)):
            if is_listing:
                answers.append(permission.may_list(who, to, operation, now))
            else:
                found, refused = permission.explain(who, to, operation, now)
                answers.append((found, type(refused)))
        assert answers[0] == answers[1]


def _listed_and_callable(
    policy: Policy, to: Resource, who: Principal | None, operation: Operation, now: float
) -> tuple[bool, bool]:
    """Twice, so that kept decisions are asked as well."""
    answers = set()
    permission = AccessPolicy([to.upstream], CelRules(policy))
    for _ in range(2):
        found, _why = permission.explain(who, to, operation, now)
        listed = permission.may_list(who, to, Operation(operation.method, operation.name), now)
        answers.add((listed, found.is_allowed and _why is None))
    assert len(answers) == 1
    return answers.pop()


def test_a_tool_that_some_arguments_open_is_listed() -> None:
    engine = rules(allow("arguments.project == 'internal'", arguments=("project",), tools=("create",)), default="deny")
    assert access(engine).may_list(caller(), resource(), tool("create"), NOON.timestamp())
    assert not access(engine).may_list(caller(), resource(), tool("other"), NOON.timestamp())
    assert not is_allowed(engine, tool("create", project="secret"))


def test_a_tool_that_is_denied_whatever_its_arguments_is_not_listed() -> None:
    engine = rules(deny(tools=("create",)), deny("arguments.a == 1", arguments=("a",), name="other"))
    assert not access(engine).may_list(caller(), resource(), tool("create"), NOON.timestamp())
    assert access(engine).may_list(caller(), resource(), tool("get"), NOON.timestamp())


def test_a_listing_keeps_no_decision_for_a_call() -> None:
    engine = rules(deny("arguments.a == 1", arguments=("a",)))
    policy = access(engine)
    assert policy.may_list(caller(), resource(), tool("x"), NOON.timestamp())
    assert refusal(policy, tool("x", a=1)) is not None
