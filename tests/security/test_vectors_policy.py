"""Attack vectors at the policy itself: its file, and arguments that two parsers would read differently."""

from pathlib import Path
from typing import Any

import pytest

from tests.policy.support import allow, deny, is_allowed, rules, tool
from tests.security.vectors import vector
from vestibule.config.policy_file import read_policy_file
from vestibule.errors import ConfigurationError
from vestibule.policy.cedar import CedarRules
from vestibule.protocol.cedar import CedarPolicies

SOUND = "version: 1\ndefault: deny\nrules:\n  - {name: a, effect: allow, tools: [get]}\n"


@vector("CFG-017")
@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (SOUND + "default: allow\n", "stands twice"),
        (SOUND.replace("tools: [get]", "tools: [get], tools: ['*']"), "stands twice"),
        (SOUND.replace("- {", "- &a {") + "  - *a\n", "anchors"),
        (SOUND.replace("tools: [get]", "tools: ['']"), "empty"),
        (SOUND.replace("tools: [get]", "tools:"), "not a list"),
        (SOUND.replace("effect: allow", "effect: !allow x"), "tag"),
    ],
    ids=["default", "tools", "anchor", "pattern", "list", "tag"],
)
def test_a_file_of_rules_that_reads_in_two_ways_is_refused(
    vector: str, tmp_path: Path, text: str, fragment: str
) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_policy_file(tmp_path / "policy.yaml")
    assert any(fragment in fault.reason for fault in caught.value.faults), caught.value.faults


def _deep(levels: int) -> Any:
    value: Any = "internal"
    for _ in range(levels):
        value = [value]
    return value


@vector("PROXY-025")
@pytest.mark.parametrize(
    "value",
    [10**30, "internal\0x", "\ud800", _deep(500), "x" * 100_000],
    ids=["huge", "nul", "surrogate", "deep", "long"],
)
def test_what_parsers_read_differently_is_not_allowed(vector: str, value: Any) -> None:
    call = tool("get", project=value)
    assert not is_allowed(rules(allow('arguments.project != "secret"', arguments=("project",)), default="deny"), call)
    assert not is_allowed(rules(deny('arguments.project == "secret"', arguments=("project",))), call)
    cedar = CedarRules(
        CedarPolicies(
            '@arguments("project") permit (principal, action, resource) when { context.arguments has project && '
            'context.arguments.project == "internal" };'
        )
    )
    assert is_allowed(cedar, tool("get", project="internal"))
    assert not is_allowed(cedar, call)
