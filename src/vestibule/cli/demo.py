"""`vestibule demo`: a sample MCP server behind the gateway, with nothing to configure."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestibule.errors import StartError

if TYPE_CHECKING:
    from vestibule.wiring import Running

_START_SECONDS = 30.0


def demo(
    port: Annotated[int, typer.Option("--port", help="The port of the gateway.", min=1, max=65535)] = 8080,
    debug: Annotated[bool, typer.Option("--debug", help="Log more, and show tracebacks.")] = False,
) -> None:
    """Try it: a sample MCP server behind the development sign-in. Everything is gone when it ends."""
    from vestibule import wiring
    from vestibule.cli.serve import run_loop
    from vestibule.config import load
    from vestibule.telemetry import configure_logging

    wiring.listen("127.0.0.1", port).close()  # a taken port is told before anything is started
    with tempfile.TemporaryDirectory(prefix="vestibule-demo-") as folder, _sample_server() as upstream:
        configuration = load(
            file=None,
            environ={"VESTIBULE_CONFIG": str(_configuration_file(Path(folder), port, upstream, debug=debug))},
        )
        configure_logging(level="info" if debug else "warning", form="auto")
        run_loop(wiring.serve(configuration, ready=_banner))


def _configuration_file(folder: Path, port: int, upstream: str, *, debug: bool) -> Path:
    path = folder / "vestibule.yaml"
    path.write_text(
        f"""\
listen: 127.0.0.1:{port}
upstreams:
  - name: demo
    title: Demo server
    url: {upstream}
    scopes:
      default: [mcp]
      texts: {{mcp: "Use its tools, read its notes and prompts"}}
store: sqlite:///{folder / "vestibule.db"}
keys: {{file: {folder / "vestibule.keys"}}}
logging: {{level: {"debug" if debug else "warning"}}}
""",
        "utf-8",
    )
    return path


@contextmanager
def _sample_server() -> Iterator[str]:
    """The sample server in a process of its own: it knows nothing of us."""
    port = _free_port()
    process = subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, "-m", "vestibule", "server", "demo", "--http", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_open(port, process)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_open(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise StartError("The sample MCP server did not start.", action="Run: vestibule server demo --http 3000")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _banner(running: "Running") -> None:
    url = running.mcp_urls[0]
    print(
        f"""
  Vestibule demo: an MCP server behind sign-in

    MCP URL        {url}
    In a browser   {running.public_url}/

  Try it with a client:
    claude mcp add --transport http demo {url}
    npx @modelcontextprotocol/inspector --web --transport http --server-url {url}

  Sign in as anybody: this is the development sign-in, for this computer only.
  Ctrl-C stops everything and deletes what it kept.
""",
        flush=True,
    )
