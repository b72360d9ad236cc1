"""Scopes, tenants and API keys: what comes before any rule."""

import pytest

from tests.policy.support import NOON, access, caller, refusal, resource, tool
from vestibule.errors import InsufficientScope, MissingAuthorization, PolicyDenied, TenantDenied
from vestibule.model import Operation, Reading, ScopePattern

TOOLS = resource(
    tool_scopes=(
        ScopePattern("create_*", ("write",)),
        ScopePattern("*_user", ("people", "read")),
        ScopePattern("a[bc]?", ("odd",)),
    ),
    prompt_scopes=(ScopePattern("report_*", ("reports",)),),
    resource_scopes=(ScopePattern("tickets://closed/*", ("archive",)),),
)


def needed(operation: Operation) -> set[str]:
    found = refusal(access(to=TOOLS), operation, caller(scopes=frozenset()), TOOLS)
    assert isinstance(found, InsufficientScope)
    return {*found.scopes}


@pytest.mark.parametrize(
    ("operation", "scopes"),
    [
        (tool("list"), {"read"}),
        (tool("create_ticket"), {"read", "write"}),
        (tool("create_user"), {"read", "write", "people"}),
        (tool("CREATE_user"), {"read", "people"}),
        (tool("a[bc]x"), {"read", "odd"}),
        (tool("abx"), {"read"}),
        (tool("create_\n"), {"read", "write"}),
        (Operation("prompts/get", "report_week"), {"read", "reports"}),
        (Operation("prompts/get", "create_ticket"), {"read"}),
        (Operation("resources/read", "tickets://closed/1"), {"read", "archive"}),
        (Operation("resources/subscribe", "tickets://closed/1"), {"read", "archive"}),
        (Operation("tools/list"), {"read"}),
        (Operation(), {"read"}),
    ],
    ids=str,
)
def test_a_call_is_told_all_the_scopes_that_it_needs(operation: Operation, scopes: set[str]) -> None:
    assert needed(operation) == scopes


def test_whoever_has_them_all_comes_through() -> None:
    who = caller(scopes=frozenset({"read", "write", "people"}))
    assert refusal(access(to=TOOLS), tool("create_user"), who, TOOLS) is None


def test_what_is_open_to_all_is_closed_where_it_has_scopes_of_its_own() -> None:
    open_to_all = resource(access="anonymous", tool_scopes=(ScopePattern("delete_*", ("write",)),))
    policy = access(to=open_to_all)
    policy.check(None, open_to_all, tool("list"), NOON.timestamp())
    with pytest.raises(MissingAuthorization):
        policy.check(None, open_to_all, tool("delete_all"), NOON.timestamp())
    assert not policy.may_list(None, open_to_all, tool("delete_all"), NOON.timestamp())


def test_nobody_comes_in_where_a_sign_in_is_needed() -> None:
    with pytest.raises(MissingAuthorization):
        access().check(None, resource(), Operation(), NOON.timestamp())


def test_an_upstream_of_some_tenants_is_closed_to_the_others() -> None:
    theirs = resource(tenants=("company",))
    assert refusal(access(to=theirs), tool("list"), caller(), theirs) is None
    for method in ("tools/call", "initialize", "tools/list", ""):
        found = refusal(access(to=theirs), Operation(method), caller(tenant="other"), theirs)
        assert isinstance(found, TenantDenied), method


def test_an_api_key_for_another_upstream_opens_nothing() -> None:
    found = refusal(access(), tool("list"), caller(upstreams=("wiki",)))
    assert isinstance(found, PolicyDenied)
    assert refusal(access(), tool("list"), caller(upstreams=("wiki", "tickets"))) is None


def test_a_request_is_read_only_where_a_decision_hangs_on_it() -> None:
    assert access().reading(resource()) is Reading.NOTHING
    assert access(to=TOOLS).reading(TOOLS) is Reading.NAME


def test_a_key_without_the_scopes_is_not_sent_to_a_sign_in() -> None:
    found = refusal(access(to=TOOLS), tool("create_user"), caller(scopes=frozenset(), shown="api-key"), TOOLS)
    assert found is not None
    assert "API key" in found.action
