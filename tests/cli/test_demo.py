"""`vestibule demo`: one command, everything running, and nothing left of it afterwards."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.cli.conftest import Run
from tests.parts.processes import free_port


class Demo:
    """A running demo; what it prints goes to a file."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._printed = folder / "printed"
        with self._printed.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vestibule", "demo", "--port", str(self.port)],
                cwd=folder,
                env={**os.environ, "TMPDIR": str(self.temporary), "VESTIBULE_LISTEN": "nonsense"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        deadline = time.monotonic() + 40
        while "Ctrl-C" not in self.printed and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)

    @property
    def printed(self) -> str:
        return self._printed.read_text("utf-8", "replace")

    def children(self) -> list[int]:
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(one) for one in text.split()]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    (tmp_path / "vestibule.yaml").write_text("this is: [not, the, demo's]\n")
    running = Demo(tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def gone(pids: list[int], seconds: float = 8) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_running, pids))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_demo_runs_and_leaves_nothing(demo: Demo, tmp_path: Path, number: signal.Signals, exit_code: int) -> None:
    url = f"http://127.0.0.1:{demo.port}"
    assert f"MCP URL        {url}/mcp" in demo.printed
    assert f"claude mcp add --transport http demo {url}/mcp" in demo.printed
    assert httpx2.post(f"{url}/mcp", trust_env=False).status_code == 401
    metadata = httpx2.get(f"{url}/.well-known/oauth-protected-resource/mcp", trust_env=False).json()
    assert metadata["resource"] == f"{url}/mcp"
    children = demo.children()
    assert len(children) == 1
    assert [path.name for path in demo.temporary.iterdir() if path.name.startswith("vestibule-demo-")]

    demo.process.send_signal(number)
    assert demo.process.wait(20) == exit_code
    assert gone(children)
    assert list(demo.temporary.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["printed", "tmp", "vestibule.yaml"]
    assert not re.search(r"Traceback|Error", demo.printed)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_sample_server_does_not_outlive_a_demo_that_was_killed(demo: Demo) -> None:
    children = demo.children()
    assert children
    demo.process.kill()
    demo.process.wait()
    assert gone(children)


def test_a_taken_port_is_told_before_anything_starts(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = run("demo", "--port", str(port))
    assert ran.exit_code == 1
    assert ran.out == ""
    assert f"Cannot listen on 127.0.0.1:{port}" in ran.err
    assert "choose another with --port" in ran.err
