"""`vestibule policy test`, and that the documentation's examples do what it says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

DOCUMENT = Path(__file__).parents[2] / "docs" / "policy.md"
POLICY = """\
version: 1
default: deny
rules:
  - {name: reads, effect: allow, tools: [get_*]}
  - {name: deletes, effect: deny, tools: [delete_*]}
examples:
  - {name: a read, upstream: tickets, tool: get_x, expect: %s, rule: reads}
"""


def write_documented(folder: Path) -> None:
    """Every block that begins with the name of a file."""
    for language, name, text in re.findall(
        r"```(yaml|cedar)\n(?:#|//) (\S+)\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL
    ):
        assert language
        (folder / name).write_text(text, "utf-8")


@pytest.mark.parametrize("file", ["policy.yaml", "examples.yaml"])
def test_the_documented_policy_does_what_its_examples_say(run: Run, tmp_path: Path, file: str) -> None:
    write_documented(tmp_path)
    ran = run("policy", "test", file, "--config", "vestibule.yaml", "--json")
    told = json.loads(ran.out)
    assert [one for one in told["examples"] if not one["passed"]] == []
    assert told["unused_rules"] == [] or file == "examples.yaml"
    assert ran.exit_code == 0


def test_the_documented_cedar_decides_alike(run: Run, tmp_path: Path) -> None:
    write_documented(tmp_path)
    text = (tmp_path / "policy.yaml").read_text()
    (tmp_path / "cedar.yaml").write_text("policy: policy.cedar\nexamples:" + text.partition("examples:")[2])
    told = json.loads(run("policy", "test", "cedar.yaml", "--json").out)
    assert [one for one in told["examples"] if not one["passed"]] == []
    assert told["unused_rules"] == []


def test_a_sound_policy_is_exit_code_0_and_names_what_no_example_shows(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY % "allow")
    ran = run("policy", "test", "p.yaml")
    assert ran.exit_code == 0
    assert "All 1 as expected." in ran.out
    assert "no example shows what the rule deletes does" in ran.out


def test_a_failure_tells_what_was_decided_by_which_rule_and_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY % "deny")
    ran = run("policy", "test", "p.yaml")
    assert ran.exit_code == 1
    assert "FAIL  a read" in ran.out
    assert "expected deny; reads decided allow: it has no condition" in ran.out


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (POLICY.replace("default: deny", "default: maybe") % "allow", "p.yaml:2"),
        (POLICY.replace("get_*]", "get_*], when: tols == 1") % "allow", "undeclared reference to 'tols'"),
        ("policy: none.yaml\nexamples: [{upstream: a, tool: b, expect: deny}]\n", "no such file"),
    ],
)
def test_a_policy_that_cannot_be_used_is_exit_code_2(run: Run, tmp_path: Path, text: str, fragment: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    ran = run("policy", "test", "p.yaml")
    assert ran.exit_code == 2
    assert fragment in ran.err
    told = json.loads(run("policy", "test", "p.yaml", "--json").out)
    assert told["faults"]


def test_an_example_of_an_upstream_that_is_not_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY % "allow")
    (tmp_path / "vestibule.yaml").write_text("upstreams: [{name: wiki, url: 'http://127.0.0.1:3000/mcp'}]\n")
    assert "examples[0].upstream" in run("policy", "test", "p.yaml", "--config", "vestibule.yaml").err


def test_a_policy_without_examples_passes_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY.partition("examples:")[0])
    ran = run("policy", "test", "p.yaml")
    assert ran.exit_code == 1
    assert "no examples" in ran.err


def test_check_and_serve_refuse_a_policy_that_is_not_sound(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY.replace("get_*]", "get_*], when: tols == 1") % "allow")
    (tmp_path / "vestibule.yaml").write_text(
        "upstreams: [{name: tickets, url: 'http://127.0.0.1:3000/mcp'}]\npolicy: {file: p.yaml}\n"
    )
    checked = run("check")
    assert checked.exit_code == 2
    assert "rules[0].when (p.yaml:4)" in checked.out
    assert run("serve").exit_code == 2


@pytest.mark.parametrize(
    ("module", "file", "text", "section", "extra"),
    [
        ("cel_expr_python", "p.yaml", POLICY.replace("get_*]", "get_*], when: tool == name"), "", "vestibule[cel]"),
        ("cedarpy", "p.cedar", "permit (principal, action, resource);", ", engine: cedar", "vestibule[cedar]"),
    ],
)
def test_a_library_that_is_not_installed_is_told(
    tmp_path: Path, module: str, file: str, text: str, section: str, extra: str
) -> None:
    (tmp_path / file).write_text(text.replace("%s", "allow"))
    (tmp_path / "vestibule.yaml").write_text(
        f"upstreams: [{{name: tickets, url: 'http://127.0.0.1:3000/mcp'}}]\npolicy: {{file: {file}{section}}}\n"
    )
    code = f"import sys; sys.modules[{module!r}] = None; from vestibule.cli import main; main(['check'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert extra in done.stdout
