"""`vestibule server …`: the MCP servers in the box."""

import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

app = typer.Typer(help="The MCP servers in the box.", no_args_is_help=True)


@app.callback()
def server() -> None:
    """The MCP servers in the box."""


@app.command()
def demo(
    http: Annotated[
        int | None, typer.Option("--http", min=1, max=65535, help="Serve streamable HTTP on this port of loopback.")
    ] = None,
    stdio: Annotated[bool, typer.Option("--stdio", help="Speak on standard input and output (the default).")] = False,
    until_eof: Annotated[bool, typer.Option("--until-eof", help="Stop when standard input ends.", hidden=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", hidden=True)] = False,
) -> None:
    """A sample server: tools, resources, prompts, progress, elicitation. It knows nothing of sign-in."""
    import asyncio

    from vestibule.cli.running import Stopping
    from vestibule.servers.demo import serve_http, serve_stdio

    if stdio and http is not None:
        raise typer.BadParameter("--stdio and --http exclude each other.")
    if http is None:
        asyncio.run(serve_stdio())
        return
    if until_eof:
        threading.Thread(target=_stop_at_eof, daemon=True).start()
    with Stopping() as stopping:

        def ready(url: str) -> None:
            stopping.serving = True
            if not until_eof:
                print(f"The sample server listens at {url}", file=sys.stderr, flush=True)

        _serve(serve_http(host="127.0.0.1", port=http, ready=ready), http)
    raise typer.Exit(stopping.exit_code)


def _serve(work: Coroutine[Any, Any, None], http: int) -> None:
    import asyncio

    from vestibule.errors import StartError

    try:
        asyncio.run(work)
    except OSError as error:
        raise StartError(
            f"Cannot listen on 127.0.0.1:{http}: {error.strerror or error}.",
            action="Stop the program that uses the port, or choose another with --http.",
        ) from error


def _stop_at_eof() -> None:
    """However the process that started us ends, the pipe to us ends with it."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
