"""`vestibule demo`: a sample MCP server behind the gateway, with nothing to configure."""

import json
import shlex
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

from vestibule.cli.output import say
from vestibule.errors import StartError

if TYPE_CHECKING:
    from vestibule.cli.running import Stopping
    from vestibule.config import Configuration
    from vestibule.wiring import Running

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


def demo(
    port: Annotated[int, typer.Option("--port", help="The port of the gateway.", min=1, max=65535)] = 8080,
    debug: Annotated[bool, typer.Option("--debug", help="Log more, and show tracebacks.")] = False,
) -> None:
    """Try it: a sample MCP server behind the development sign-in. Everything is gone when it ends."""
    from vestibule.cli.running import Stopping

    with (
        Stopping() as stopping,
        tempfile.TemporaryDirectory(prefix="vestibule-demo-", ignore_cleanup_errors=True) as folder,
    ):
        _check_free(port)
        with _sample_server(Path(folder)) as (process, upstream):
            file = Path(folder) / "vestibule.yaml"
            _run_gateway(file, _configuration(file, port, upstream, debug=debug), process, upstream, stopping)
    raise typer.Exit(stopping.exit_code)


def _run_gateway(
    file: Path, configuration: "Configuration", process: "subprocess.Popen[bytes]", upstream: str, stopping: "Stopping"
) -> None:
    from vestibule.cli.running import run_server
    from vestibule.telemetry import configure_logging
    from vestibule.wiring import serve  # takes as long as the sample server's start, and happens beside it

    _wait_until_open(upstream, process)
    configure_logging(level=configuration.logging.level, form=configuration.logging.format)

    def ready(running: "Running") -> None:
        stopping.now_runs(running)
        _print_banner(running, file)

    run_server(serve(configuration, ready=ready))


def _configuration(file: Path, port: int, upstream: str, *, debug: bool) -> "Configuration":
    """From a file of its own: what lies in the working directory and the environment is not the demo's."""
    from vestibule.config import load

    folder = file.parent
    document = {
        "listen": f"127.0.0.1:{port}",
        "upstreams": [
            {
                "name": "demo",
                "title": "Demo server",
                "url": upstream,
                "scopes": {"default": ["mcp"], "texts": {"mcp": "Use its tools, read its notes and prompts"}},
            }
        ],
        "store": f"sqlite:///{folder / 'vestibule.db'}",
        "keys": {"file": str(folder / "vestibule.keys")},
        "logging": {"level": "debug" if debug else "warning"},
    }
    file.write_text(json.dumps(document), "utf-8")  # JSON is YAML
    return load(file=file, environ={})


@contextmanager
def _sample_server(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """The sample server in a process of its own: it knows nothing of us.

    In a session of its own too, so that Ctrl-C reaches only us and we stop it in order; and it stops when the pipe to
    its input ends, so that it does not outlive us whatever happens.
    """
    port = _free_port()
    with (folder / "sample-server.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-m", "vestibule", "server", "demo", "--http", str(port), "--until-eof"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process, f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _wait_until_open(upstream: str, process: "subprocess.Popen[bytes]") -> None:
    port = int(upstream.rpartition(":")[2].partition("/")[0])
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise StartError(
        "The sample MCP server did not start.",
        action="Run `vestibule server demo --http 3000` to see why.",
        detail="" if process.returncode is None else f"It ended with exit code {process.returncode}.",
    )


def _check_free(port: int) -> None:
    """A taken port is told before anything is started."""
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartError(
                f"Cannot listen on 127.0.0.1:{port}: {error.strerror or error}.",
                action="Stop the program that uses the port, or choose another with --port.",
            ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _print_banner(running: "Running", file: Path) -> None:
    url = running.mcp_urls[0]
    say("\n  Vestibule demo: an MCP server behind sign-in\n", style="bold green")
    say(f"    MCP URL        {url}")
    say(f"    In a browser   {running.public_url}/")
    say("\n  Try it with a client:")
    say(f"    claude mcp add --transport http demo {url}")
    say(f"    npx @modelcontextprotocol/inspector --web --transport http --server-url {url}")
    say("\n  Who did what, in another terminal:")
    say(f"    vestibule audit tail --follow --config {shlex.quote(str(file))}")
    say("\n  Sign in as anybody: this is the development sign-in, for this computer only.")
    say("  Ctrl-C stops all, and deletes what was kept.\n")
