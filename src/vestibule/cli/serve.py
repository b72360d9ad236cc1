"""`vestibule serve`: the gateway."""

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from vestibule.cli.output import say

if TYPE_CHECKING:
    from vestibule.cli.running import Stopping
    from vestibule.config import Configuration
    from vestibule.wiring import Running

_SAYS_NOTHING = frozenset({"localhost", "www", "api", "mcp", "sse", "message", "messages", "server", "v1"})
_STARTS_OTHERS = re.compile(r"(?:python|pypy|node|npx|npm|uvx?|pipx|run|exec|bunx?|deno|env|sh|bash)[\d.]*(?:\.exe)?")
_SETS_A_VARIABLE = re.compile(r"[A-Za-z_]\w*=")


def serve(
    config: Annotated[Path | None, typer.Option("--config", help="The file; ./vestibule.yaml if there is one.")] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option("--upstream", help="An MCP server, as URL or NAME=URL; in place of the file's. May be repeated."),
    ] = None,
    listen: Annotated[str | None, typer.Option("--listen", help="HOST:PORT to listen on.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="How many processes serve.", min=1, max=256)] = None,
    i_know: Annotated[bool, typer.Option("--i-know", help="Accept an upstream open to everybody.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log more, and show tracebacks.")] = False,
    worker: Annotated[str | None, typer.Option("--worker", hidden=True)] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND …]", help="An MCP server to start, which speaks on its standard input and output."
        ),
    ] = None,
) -> None:
    """Put MCP servers behind sign-in: `vestibule serve --upstream http://localhost:3000/mcp`."""
    from vestibule.cli.running import Stopping
    from vestibule.config import load

    with Stopping(reloads=True) as stopping:
        given = overrides(upstream or (), listen, command or (), debug=debug, workers=workers)

        def read() -> "Configuration":
            return load(file=config, environ=os.environ, overrides=given, i_know=i_know)

        run_gateway(read(), stopping, read, worker)
    raise typer.Exit(stopping.exit_code)


def overrides(
    upstreams: Sequence[str],
    listen: str | None,
    command: Sequence[str] = (),
    *,
    debug: bool,
    workers: int | None = None,
) -> dict[str, Any]:
    """What the command line says, as keys of the file."""
    given: dict[str, Any] = {}
    if upstreams or command:
        given["upstreams"] = []
        for text in upstreams:
            named = re.fullmatch(r"([a-z0-9-]+)=(\w+://.*)", text)
            name, url = named.groups() if named else (name_for(text, [one["name"] for one in given["upstreams"]]), text)
            given["upstreams"].append({"name": name, "url": url})
    if command:
        name = name_of_command(command, [one["name"] for one in given["upstreams"]])
        given["upstreams"].append({"name": name, "command": list(command)})
    if listen is not None:
        given["listen"] = listen
    if workers is not None:
        given["workers"] = workers
    if debug:
        given["logging"] = {"level": "debug"}
    return given


def name_for(url: str, taken: Collection[str]) -> str:
    """A name for an upstream that was given without one: from its path, else from its host."""
    try:
        parts = urlsplit(url)
        words = [*reversed(parts.path.split("/")), *(parts.hostname or "").split(".")[:-1]]
    except ValueError:
        words = []
    return _first_good(words, taken)


def name_of_command(command: Sequence[str], taken: Collection[str]) -> str:
    """`python server.py` is server, `npx -y @acme/tickets-mcp` is tickets-mcp: the first word that says something.

    A name is in URLs and in the log: the words of `env KEY=secret python server.py` that set variables are passed over.
    """
    words = [word for word in command if not word.startswith("-") and not _SETS_A_VARIABLE.match(word)]
    paths = [word for word in words if not _STARTS_OTHERS.fullmatch(PurePath(word).name)]
    return _first_good([PurePath(word).stem for word in paths[:1]], taken)


def _first_good(words: Iterable[str], taken: Collection[str]) -> str:
    from vestibule.config.checks import RESERVED_NAMES

    names = (re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:30].strip("-") for word in words)
    good = [name for name in names if name[:1].isalpha() and name not in _SAYS_NOTHING | RESERVED_NAMES]
    stem = good[0] if good else "server"
    candidates = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in candidates if name not in taken)


def run_gateway(
    configuration: "Configuration", stopping: "Stopping", read: "Callable[[], Configuration]", worker: str | None
) -> None:
    """Run until a signal. On stderr what a person needs to go on; of several workers, the first one says it."""
    from vestibule import wiring
    from vestibule.cli.running import run_server
    from vestibule.cli.workers import WorkerSeat, supervise
    from vestibule.config.notes import notes_on
    from vestibule.telemetry import configure_logging

    configure_logging(level=configuration.logging.level, form=configuration.logging.format)
    if worker is None and configuration.workers > 1:
        supervise(configuration, sys.argv[sys.argv.index("serve") :])
    seat = WorkerSeat.take(worker) if worker is not None else None

    def ready(running: "Running") -> None:
        stopping.now_runs(running)
        if seat is not None:
            seat.stay_with(running)
            seat.say("ready")
        if seat is not None and seat.number > 1:
            return
        say(f"Vestibule is open at {running.public_url}", style="bold green", stream=sys.stderr)
        for url in running.mcp_urls:
            say(f"  MCP: {url}", stream=sys.stderr)
        say(f"  people sign in with: {', '.join(running.signs_in_with) or 'nobody can'}", stream=sys.stderr)
        for note in notes_on(configuration, os.environ):
            say(f"  note: {note}", style="yellow", stream=sys.stderr)

    def reloaded(now: "Configuration | None") -> None:
        if now is not None:
            configure_logging(level=now.logging.level, form=now.logging.format)
        if seat is not None:
            seat.say("refused" if now is None else "reloaded")

    run_server(
        wiring.serve(
            configuration,
            ready=ready,
            migrate_apart=True,
            read_again=read,
            reloaded=reloaded,
            listener=seat.listener if seat is not None else None,
        )
    )
