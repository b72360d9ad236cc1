"""`vestibule serve`: the gateway."""

import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from vestibule.config import Configuration
    from vestibule.wiring import Running


def serve(
    config: Annotated[Path | None, typer.Option("--config", help="The file; ./vestibule.yaml if there is one.")] = None,
    upstream: Annotated[
        list[str] | None, typer.Option("--upstream", help="An MCP server: URL or NAME=URL. May be repeated.")
    ] = None,
    listen: Annotated[str | None, typer.Option("--listen", help="HOST:PORT to listen on.")] = None,
    i_know: Annotated[bool, typer.Option("--i-know", help="Accept an upstream open to everybody.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log more, and show tracebacks.")] = False,
) -> None:
    """Put MCP servers behind sign-in."""
    from vestibule.config import load

    configuration = load(
        file=config, environ=os.environ, overrides=overrides(upstream or [], listen, debug), i_know=i_know
    )
    run_gateway(configuration)


def overrides(upstreams: list[str], listen: str | None, debug: bool) -> dict[str, Any]:
    """What the command line says, as keys of the file."""
    given: dict[str, Any] = {}
    if upstreams:
        names: list[str] = []
        given["upstreams"] = []
        for text in upstreams:
            name, url = _name_and_url(text, names)
            names.append(name)
            given["upstreams"].append({"name": name, "url": url})
    if listen:
        given["listen"] = listen
    if debug:
        given["logging"] = {"level": "debug"}
    return given


def _name_and_url(text: str, taken: list[str]) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    if equals and "/" not in name and ":" not in name:
        return name, url
    host = (urlsplit(text).hostname or "server").split(".")[0].lower()
    stem = host if host and host[0].isalpha() and host != "localhost" else "server"
    number = 1
    while (candidate := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return candidate, text


def run_gateway(configuration: "Configuration") -> None:
    """Run until a signal; on stderr what a person needs to go on."""
    from vestibule import wiring
    from vestibule.telemetry import configure_logging

    configure_logging(level=configuration.logging.level, form=configuration.logging.format)

    def ready(running: "Running") -> None:
        print(f"Vestibule is open at {running.public_url}", file=sys.stderr)
        for url in running.mcp_urls:
            print(f"  MCP: {url}", file=sys.stderr)
        print(f"  people sign in with: {', '.join(running.signs_in_with) or 'nobody can'}", file=sys.stderr, flush=True)

    run_loop(wiring.serve(configuration, ready=ready))


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """asyncio.run on uvloop, where there is one."""
    import asyncio

    try:
        import uvloop
    except ImportError:  # Windows
        asyncio.run(work)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
