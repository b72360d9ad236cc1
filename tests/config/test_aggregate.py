"""The section `aggregate`: what `check` says."""

import pytest

from tests.config.conftest import Faults, Load

TWO = "upstreams: [{name: tickets, url: 'http://127.0.0.1:3000/mcp'}, {name: 3d, url: 'http://127.0.0.1:3001/mcp'}]\n"
ONE = "upstreams: [{name: tickets, url: 'http://127.0.0.1:3000/mcp'}]\n"

REFUSED = [
    (ONE + "aggregate: {enabled: true}", "aggregate.enabled", "no two upstreams"),
    (TWO + "aggregate: {enabled: true}", "upstreams[1].name", "URIs that are none"),
    (TWO + "aggregate: {enabled: true, members: [tickets]}", "aggregate.enabled", "no two upstreams"),
    (TWO + "aggregate: {enabled: true, members: [tickets, wiki]}", "aggregate.members[1]", "no such upstream"),
    (TWO + "aggregate: {members: [tickets, tickets]}", "aggregate.members[1]", "already"),
    (TWO + "aggregate: {deadline: 2h}", "aggregate.deadline", "not between"),
    (TWO + "aggregate: {separator: '-'}", "aggregate.separator", "none of the values"),
    (TWO.replace("3d", "all"), "upstreams[1].name", "our own paths"),
    (ONE + "limits: {upstreams: {all: 2/minute}}", "limits.upstreams.all", "no upstream"),
]


@pytest.mark.parametrize(("text", "key", "reason"), REFUSED)
def test_refused(faults: Faults, text: str, key: str, reason: str) -> None:
    found = faults(text)
    assert key in found
    assert reason in found[key].reason


def test_more_than_fit_into_one_session(faults: Faults) -> None:
    many = ", ".join(f"{{name: m{number}, url: 'http://127.0.0.1:3000/mcp'}}" for number in range(17))
    assert "aggregate.members" in faults(f"upstreams: [{many}]\naggregate: {{enabled: true}}")


def test_taken(read: Load) -> None:
    text = TWO.replace("3d", "wiki") + "aggregate: {enabled: true, deadline: 3s}\nlimits: {upstreams: {all: 2/minute}}"
    assert read(text).aggregate.enabled
