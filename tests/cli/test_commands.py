"""The commands and what they say: results on stdout, errors on stderr, exit codes as promised."""

import io
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from vestibule import __version__
from vestibule.cli import output
from vestibule.errors import StartError, StoreUnavailable

SOUND = "upstreams: [{name: tickets, url: 'http://127.0.0.1:3000/mcp'}]\n"


def test_the_version_is_there_in_two_ways(run: Run) -> None:
    assert run("--version").out == run("version").out == f"vestibule {__version__}\n"


def test_the_program_starts_quickly() -> None:
    """In CPU time, the best of five: other work on the machine is not ours."""
    used = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "vestibule", "--version"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(used) < 0.3, used


def test_the_table_of_commands_imports_nothing_heavy() -> None:
    code = (
        "import sys; import vestibule.cli.app;"
        "heavy = {'pydantic', 'sqlalchemy', 'uvicorn', 'structlog', 'rich', 'mcp', 'yaml', 'asyncio'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("arguments", [["serve", "--bogus"], ["nonsense"], ["demo", "--port", "0"], []])
def test_wrong_usage_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_check_tells_that_all_is_sound_and_what_it_means(run: Run, tmp_path: Path) -> None:
    (tmp_path / "vestibule.yaml").write_text(SOUND)
    ran = run("check")
    assert ran.exit_code == 0
    assert "vestibule.yaml is sound" in ran.out
    assert "/tickets/mcp" in ran.out
    assert "development sign-in" in ran.out


def test_check_as_json(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vestibule.yaml").write_text(SOUND)
    monkeypatch.setenv("CHECKLIST_DIR", "here")
    told = json.loads(run("check", "--json").out)
    assert told["sound"] is True
    assert told["upstreams"][0]["served_at"] == "http://127.0.0.1:8080/tickets/mcp"
    assert any("CHECKLIST_DIR" in note for note in told["notes"])
    (tmp_path / "vestibule.yaml").write_text(f"{SOUND}listne: x\n")
    ran = run("check", "--json")
    assert ran.exit_code == 2
    assert json.loads(ran.out) == {
        "sound": False,
        "faults": [
            {
                "key": "listne",
                "reason": "this key is not known",
                "fix": "did you mean listen?",
                "source": "vestibule.yaml:2",
            }
        ],
    }


def test_check_says_who_answers_at_each_address(run: Run, tmp_path: Path) -> None:
    (tmp_path / "vestibule.yaml").write_text(
        "upstreams:\n"
        "  - {name: program, command: [sh, -c, 'a secret']}\n"
        "  - {name: old, url: 'http://127.0.0.1:3000/sse'}\n"
        "  - {name: near, url: 'http://localhost/mcp', socket: /run/near.sock}\n"
        "  - {name: elsewhere, served_by: proxy}\n"
        "aggregate: {enabled: true, members: [program, old]}\n"
        "trusted_proxies: [127.0.0.1/32]\n"
    )
    out = run("check").out
    assert [line.partition("  (")[0].strip() for line in out.splitlines() if "→" in line] == [
        "/program/mcp  →  sh …, on its standard input and output",
        "/old/mcp  →  http://127.0.0.1:3000/sse, by HTTP+SSE",
        "/near/mcp  →  http://localhost/mcp at /run/near.sock",
        "/elsewhere/mcp  →  your own proxy, which asks at /auth",
        "/all/mcp  →  program, old",
    ]
    assert "a secret" not in out


def test_check_and_serve_tell_the_same_faults_and_each_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "vestibule.yaml").write_text(f"{SOUND}listne: x\nreplicas: 2\n")
    checked, served = run("check"), run("serve")
    assert checked.exit_code == served.exit_code == 2
    assert checked.out == served.err
    assert checked.out.splitlines() == [
        "vestibule: the configuration cannot be used: 3 faults.",
        "  listne (vestibule.yaml:2): this key is not known. Fix: did you mean listen?",
        "  replicas (vestibule.yaml:3): each replica on SQLite and memory would have its own codes, grants and "
        "revocations. Fix: use store: postgresql://…, or one replica",
        "  keys: each replica would make keys of its own. Fix: give all of them the same keys.secret or keys.file",
    ]


def test_check_lists_the_names_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_PORT", "9000")
    out = run("check", "--env").out
    line = next(line for line in out.splitlines() if "MCP_PORT" in line)
    assert line.split()[:2] == ["MCP_PORT", "listen,"]
    assert "[set]" in line
    assert "VESTIBULE_UPSTREAMS__0__URL" in out
    assert len(json.loads(run("check", "--env", "--json").out)) == 26


def test_the_schema_is_json(run: Run) -> None:
    assert json.loads(run("config", "schema").out)["title"] == "vestibule.yaml"


def test_a_command_that_is_no_program_is_told_before_anything_listens(run: Run) -> None:
    ran = run("serve", "--", "no-such-program-anywhere", "server.py")
    assert ran.exit_code == 2
    assert "upstreams[0].command[0] (the command line)" in ran.err
    assert "no such program" in ran.err


def test_a_fault_of_the_command_line_names_it(run: Run) -> None:
    ran = run("serve", "--upstream", "ftp://files.example")
    assert ran.exit_code == 2
    assert "upstreams[0].url (the command line)" in ran.err


def test_a_traceback_comes_with_debug_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr("vestibule.config.load", fails)
    ran = run("check")
    assert ran.exit_code == 1
    assert "Traceback" not in ran.err
    assert "canary" not in ran.err
    assert "--debug" in ran.err
    with pytest.raises(RuntimeError):
        run("check", "--debug")


def test_ctrl_c_is_exit_code_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vestibule.config.load", interrupted)
    assert run("check").exit_code == 130


def test_an_error_says_what_happened_why_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.explain(StartError("The port is taken.", action="Choose another.", detail="pid 7")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "vestibule: The port is taken.",
        "  why: pid 7",
        "  do: Choose another.",
    ]
    assert output.explain(StoreUnavailable("The store is gone.")) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_said_is_never_markup_and_sends_no_control_characters() -> None:
    for stream in (io.StringIO(), Terminal()):
        output.say("[red]a[/red]\x1b[2J\r", style="bold", stream=stream)
        assert "[red]a[/red]\\x1b[2J\\r" in stream.getvalue()
