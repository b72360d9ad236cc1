"""YAML is read in one way only."""

import time
from pathlib import Path

import pytest

from tests.config.conftest import UPSTREAM, Faults, Load
from vestibule.config.yaml_file import read_file, read_yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_key_that_stands_twice_is_a_fault_with_both_lines() -> None:
    document = read_yaml("a: 1\nb: {c: 1,\n  c: 2}\na: 2\n", "f")
    assert [(fault.key, fault.reason) for fault in document.faults] == [
        ("b.c", "the key stands twice (lines 2 and 3)"),
        ("a", "the key stands twice (lines 1 and 4)"),
    ]


@pytest.mark.parametrize("text", [BOMB, "a: &x 1\nb: 2\n", "a: [*x]\n", "a: &x {b: 1}\nc: {<<: *x}\n"])
def test_anchors_and_aliases_are_a_fault(text: str) -> None:
    started = time.monotonic()
    assert "anchors" in read_yaml(text, "f").faults[0].reason
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("text", ["1: a", "[a, b]: c", "~: a", "true: a", "? {a: b}\n: c"])
def test_a_key_is_text(text: str) -> None:
    assert read_yaml(text, "f").faults[0].reason == "a key is text"


@pytest.mark.parametrize(
    "text", ["a: !!python/object/apply:os.system [ls]", "a: !secret b", "!!set {a, b}", "a: !!binary YQ=="]
)
def test_tags_are_a_fault_and_build_nothing(text: str) -> None:
    document = read_yaml(text, "f")
    assert "tag" in document.faults[0].reason


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\t- a", "a: 'x", "---\na: 1\n---\nb: 2\n", "a: \x00", "[" * 5000])
def test_what_is_not_yaml_is_a_fault_with_its_line(text: str) -> None:
    assert read_yaml(text, "f.yaml").faults[0].key.startswith("f.yaml")


def test_deep_nesting_is_a_fault() -> None:
    assert "deeply" in read_yaml("[" * 40 + "]" * 40, "f").faults[0].reason


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("08:30", "08:30"),
        ("2026-07-28", "2026-07-28"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("nullable", "nullable"),
        ("truely", "truely"),
        ("true", True),
        ("12", 12),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("~", None),
        ("", None),
        ("'12'", "12"),
    ],
)
def test_scalars_are_those_of_the_core_schema(text: str, value: object) -> None:
    assert read_yaml(f"a: {text}", "f").values == {"a": value}


def test_a_file_is_a_mapping_in_utf8(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    for content in (b"- a\n", b"just text\n", b"\xff\xfe", b"a: 1\n" + b"# x\n" * 300_000):
        file.write_bytes(content)
        assert read_file(file).faults, content[:20]
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_file(file).values == {"a": 1}
    file.write_bytes(b"# nothing yet\n")
    assert read_file(file).values == {}


@pytest.mark.parametrize("text", ["", "client_secret:", "client_secret: ''", "client_secret: '  '", "scopes: []"])
def test_an_empty_value_is_a_mistake_and_not_a_decision(faults: Faults, text: str) -> None:
    provider = "identity_providers: [{name: w, kind: oidc, issuer: 'https://id.example.com', client_id: x%s}]\n"
    found = faults(UPSTREAM + provider % f", {text}") if text else faults(f"{UPSTREAM}origins:\n")
    assert [fault.reason for fault in found.values()] == ["it is empty"]


def test_an_empty_file_with_an_upstream_from_elsewhere_is_sound(read: Load) -> None:
    assert read("# all from the environment\n", {"VESTIBULE_UPSTREAMS": "[{name: a, url: 'http://localhost:1/mcp'}]"})
