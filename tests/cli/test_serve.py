"""`vestibule serve`: without any file, with the real process, until a signal."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from tests.parts.processes import free_port
from vestibule.cli.serve import name_for, overrides


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://localhost:3000/mcp", "server"),
        ("http://127.0.0.1:3000/mcp", "server"),
        ("http://[::1]:3000/", "server"),
        ("https://tickets.example.com/mcp", "tickets"),
        ("https://mcp.example.com/mcp", "example"),
        ("https://api.example.com/Weather_Tools/mcp", "weather-tools"),
        ("https://example.com/admin/mcp", "example"),
        ("http://[::1", "server"),
    ],
)
def test_an_upstream_gets_a_name_from_its_url(url: str, name: str) -> None:
    assert name_for(url, ()) == name


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python server.py", "server"),
        ("python3.11 -m tickets_server", "tickets-server"),
        ("/usr/bin/node ./dist/weather.js --fast", "weather"),
        ("npx -y @acme/tickets-mcp", "tickets-mcp"),
        ("uvx mcp-server-git", "mcp-server-git"),
        ("uv run admin.py", "server"),
        ("./tickets", "tickets"),
        ("env TICKETS_KEY=s3cret python tickets.py", "tickets"),
    ],
)
def test_a_command_gets_a_name_from_what_it_starts(command: str, name: str) -> None:
    given = overrides((), None, command.split(), debug=False)
    assert given["upstreams"] == [{"name": name, "command": command.split()}]


def test_names_do_not_collide() -> None:
    given = overrides(
        ["http://localhost:1/mcp", "http://localhost:2/mcp", "mine=http://localhost:3/mcp?a=b"], None, debug=False
    )
    assert [one["name"] for one in given["upstreams"]] == ["server", "server-2", "mine"]
    assert given["upstreams"][2]["url"] == "http://localhost:3/mcp?a=b"


def test_workers_of_the_command_line_win_over_the_files() -> None:
    assert overrides([], None, debug=False, workers=3) == {"workers": 3}
    assert overrides([], None, debug=False) == {}


@contextmanager
def serving(folder: Path, port: int, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "vestibule", "serve", "--listen", f"127.0.0.1:{port}", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        with suppress(httpx2.TransportError):  # the port is taken before there is somebody to answer
            httpx2.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=60)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_serve_runs_without_a_file_and_stops_at_a_signal(
    tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    port = free_port()
    with serving(tmp_path, port, "--upstream", "http://127.0.0.1:9/mcp") as process:
        url = f"http://127.0.0.1:{port}"
        assert httpx2.get(f"{url}/healthz", trust_env=False, timeout=30).status_code == 200
        assert httpx2.post(f"{url}/mcp", trust_env=False).status_code == 401
        assert httpx2.post(f"{url}/server/mcp", trust_env=False).status_code == 401
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == exit_code
    assert out == ""
    assert f"Vestibule is open at {url}" in err
    assert f"MCP: {url}/mcp" in err
    assert "development sign-in, without passwords" in err
    assert "Traceback" not in err
    for name in ("vestibule.db", "vestibule.keys"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_serve_puts_a_command_behind_sign_in(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "tickets.py").write_text("import sys; sys.stdin.read()")
    with serving(tmp_path, port, "--", sys.executable, "tickets.py") as process:
        assert httpx2.post(f"http://127.0.0.1:{port}/tickets/mcp", trust_env=False).status_code == 401
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"MCP: http://127.0.0.1:{port}/tickets/mcp" in err


def test_a_signal_during_the_start_ends_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "vestibule",
            "serve",
            "--upstream",
            "http://127.0.0.1:9/mcp",
            "--listen",
            f"127.0.0.1:{free_port()}",
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.6)
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode in (0, -signal.SIGTERM)  # the latter before Python has come to our first line
    assert "Traceback" not in err


def test_a_taken_port_is_told_and_exit_code_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "vestibule",
                "serve",
                "--upstream",
                "http://127.0.0.1:9/mcp",
                "--listen",
                f"127.0.0.1:{port}",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "  do: " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_gateway_process_is_small_and_never_imports_mcp_or_rich(tmp_path: Path) -> None:
    port = free_port()
    code = f"""
import sys, threading, time, os, signal, socket
def look():
    while socket.socket().connect_ex(("127.0.0.1", {port})): time.sleep(0.1)
    time.sleep(0.5)
    print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"mcp", "rich", "alembic"}}), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=look, daemon=True).start()
from vestibule.cli import main
main(["serve", "--upstream", "http://127.0.0.1:9/mcp", "--listen", "127.0.0.1:{port}"])
"""
    for _ in range(2):  # the first one makes the store, and needs alembic for it
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="tells of memory by Linux's /proc")
def test_an_idle_gateway_is_small_even_in_the_run_that_migrates(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, port, "--upstream", "http://127.0.0.1:9/mcp") as process:
        assert httpx2.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=30).status_code == 200
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    resident = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Rss:"))
    assert resident / 1024 < 85  # MB; it is 78 to 81 with CPython 3.11. Alembic would make it 92.
