"""The file of rules: every fault with its key and its line."""

from pathlib import Path

import pytest

from tests.config.conftest import UPSTREAM, Faults, Load

HEAD = "version: 1\ndefault: deny\nrules:\n"
ALLOW = "  - {name: a, effect: allow%s}\n"
TWO = ALLOW % "" + "examples:\n  - {upstream: x, tool: a, prompt: b, expect: deny}\n"
SECTION = UPSTREAM + "policy: {file: policy.yaml}\n"

REFUSED = [
    ("version", "default: deny\nrules: [{name: a, effect: allow}]\n", "missing", 1),
    ("default", "version: 1\nrules: [{name: a, effect: allow}]\n", "missing", 1),
    ("version", HEAD.replace("1", "2") + ALLOW % "", "none of the values", 1),
    ("default", "version: 1\ndefault: deny\nrules: [{name: a, effect: deny}]\n", "nothing would be allowed", 2),
    ("rules[0].effect", HEAD.replace("deny", "allow") + ALLOW % "", "changes nothing", 4),
    ("rules[0].effects", HEAD + ALLOW % ", effects: x", "not known", 4),
    ("rules[0].effect", HEAD + "  - {name: a, effect: permit}\n", "none of the values", 4),
    ("rules[0].tools", HEAD + ALLOW % ", tools: []", "too few", 4),
    ("rules[0].tools", HEAD + ALLOW % ", tools: get_*", "not a list", 4),
    ("rules[0].when", HEAD + ALLOW % ", when: ''", "empty", 4),
    ("rules[0].when", HEAD + ALLOW % ", when: tool", "no answer of true or false", 4),
    ("rules[0].when", HEAD + ALLOW % ", when: 'tool == '", "does not compile", 4),
    ("rules[0].when", HEAD + ALLOW % ", when: 'user == \"a\"'", "undeclared reference to 'user'", 4),
    ("rules[0].when", HEAD + ALLOW % ", when: 'principal.role == \"a\"'", "undeclared reference", 4),
    ("rules[0].when", HEAD + ALLOW % ", when: 'principal.roles == \"a\"'", "no matching overload", 4),
    ("rules[0].when", HEAD + ALLOW % f", when: 'tool == \"{'x' * 2000}\"'", "longer than", 4),
    ("rules[0].when", HEAD + ALLOW % ", arguments: [b], when: has(arguments.a)", "does not name a", 4),
    ("rules[0].arguments", HEAD + ALLOW % ", when: arguments == arguments", "none is named", 4),
    ("rules[0].arguments", HEAD + ALLOW % ", arguments: [a], when: tool == name", "does not look at them", 4),
    ("rules[0].arguments", HEAD + ALLOW % ", arguments: [a]", "no condition", 4),
    ("rules[0].methods", HEAD + ALLOW % ", tools: [a], methods: [b]", "says which method already", 4),
    ("rules[0].upstreams[0]", HEAD + ALLOW % ", upstreams: [tikets]", "no upstream fits", 4),
    ("rules[1].name", HEAD + ALLOW % "" + ALLOW % "", "another rule", 5),
    ("rules[0].name", HEAD + "  - {name: default, effect: allow}\n", "no rule decides", 4),
    ("rules[0].effect", HEAD + ALLOW % ", effect: deny", "twice", 4),
    ("policy.yaml:4", HEAD + "  - &a {name: a, effect: allow}\n", "anchors", 4),
    (
        "examples[0].now",
        HEAD + ALLOW % "" + "examples:\n  - {upstream: x, now: 08:30, expect: deny}\n",
        "not a time",
        6,
    ),
]


@pytest.mark.parametrize(("key", "text", "fragment", "line"), REFUSED, ids=[f"{one[0]} {one[2]}" for one in REFUSED])
def test_refused(faults: Faults, tmp_path: Path, key: str, text: str, fragment: str, line: int) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    found = faults(SECTION)
    assert key in found
    assert fragment in found[key].reason
    assert found[key].source == f"policy.yaml:{line}"


def test_all_faults_of_both_files_come_at_once(faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD + ALLOW % ", when: a" + "  - {name: b, effect: deny, when: b}\n")
    assert {*faults(SECTION + "replicas: 2\n")} == {"rules[0].when", "rules[1].when", "replicas", "keys"}


def test_a_policy_is_taken(read: Load, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD + ALLOW % ", upstreams: ['tick*']")
    policy = read(SECTION).policy
    assert policy is not None
    assert policy.file == "policy.yaml"


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("policy: {file: policy.cedar}", "policy.engine"),
        ("policy: {file: policy.yaml, engine: cedar}", "policy.engine"),
        ("policy: {file: other.yaml}", "policy.file"),
        ("policy: {engine: cel}", "policy.file"),
    ],
)
def test_the_section_and_the_file_fit(faults: Faults, tmp_path: Path, section: str, key: str) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD + ALLOW % "")
    assert key in faults(f"{UPSTREAM}{section}\n")


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("permit (principal, action, resource", "cannot be read"),
        ("permit (principal, action, resource) when { principal.role == 1 };", "role"),
        ("permit (principal, action, resource) when { context.arguments has a };", "no @arguments names"),
        ('@arguments("a") permit (principal, action, resource);', "looks at none"),
        ('@arguments("a: Thing") permit (principal, action, resource) when { context.arguments has a };', "written as"),
        ("permit (principal == ?principal, action, resource);", "templates"),
        ('@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);', "same @id"),
    ],
)
def test_a_file_of_cedar_that_is_not_sound(faults: Faults, tmp_path: Path, text: str, fragment: str) -> None:
    (tmp_path / "policy.cedar").write_text(text)
    found = faults(f"{UPSTREAM}policy: {{file: policy.cedar, engine: cedar}}\n")
    assert fragment in found["policy.cedar"].reason
