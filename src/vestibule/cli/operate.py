"""What the commands for operators share: the configuration, the house without its doors, lists for people and programs.

They work on the store and the key file, not on a running process: what they revoke reaches every replica within
seconds by the way all revocations take.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from vestibule.cli.output import print_json, say

if TYPE_CHECKING:
    from vestibule.admin import Administrator, ApiKeyOffice
    from vestibule.authorization_server.replies import Context
    from vestibule.authorization_server.server import AuthorizationServer
    from vestibule.config import Configuration
    from vestibule.wiring import House

Result = TypeVar("Result")

_ANY_WIDTH = 10_000  # what a table would take if it might
OPERATOR = "operator"  # who acts, in the trail

ConfigOption = Annotated[Path | None, typer.Option("--config", help="The file; ./vestibule.yaml if left out.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit trail.")]


def configuration(config: Path | None) -> "Configuration":
    """What the server runs with; these commands need no upstream. Raises `ConfigurationError`."""
    from vestibule.config import load
    from vestibule.errors import ConfigurationError

    try:
        return load(file=config, environ=os.environ)
    except ConfigurationError as error:
        if {fault.key for fault in error.faults} != {"upstreams"}:
            raise
    nobody = [{"name": "none", "url": "http://127.0.0.1:9/mcp"}]
    return load(file=config, environ=os.environ, overrides={"upstreams": nobody})


def check_exists(configuration: "Configuration") -> None:
    """Raise `StartError` for a store that is not there: a command that makes an empty one has nothing to do in it."""
    from vestibule.errors import StartError
    from vestibule.stores.address import read_address

    url = read_address(configuration.store)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise StartError(
            f"There is no store at {url.database or 'sqlite://'}.",
            action="Run this in the folder that the server runs in, or name its file with --config.",
        )


def with_server(config: Path | None, work: "Callable[[AuthorizationServer, Context], Awaitable[Result]]") -> Result:
    """Do something with the store as the server would, and close it. Raises `StartError`, `StoreUnavailable`."""
    return with_house(config, lambda house, context: work(house.plane.server, context))


def with_office(config: Path | None, work: "Callable[[ApiKeyOffice, Administrator], Awaitable[Result]]") -> Result:
    """The same with API keys, as the operator of all tenants."""
    from vestibule.admin import Administrator

    async def as_operator(house: "House", context: "Context") -> Result:
        return await work(house.office, Administrator(OPERATOR, None, context.request_id))

    return with_house(config, as_operator)


def with_house(config: Path | None, work: "Callable[[House, Context], Awaitable[Result]]") -> Result:
    """The same with everything that runs."""
    import asyncio

    from vestibule.authorization_server.replies import Context
    from vestibule.telemetry import configure_logging
    from vestibule.wiring import House

    read = configuration(config)
    check_exists(read)
    configure_logging(level="warning", form=read.logging.format)

    async def run() -> Result:
        house = await House.build(read)
        try:
            return await work(house, Context(f"cli-{os.urandom(6).hex()}", address="", actor=OPERATOR))
        finally:
            await house.close()

    return asyncio.run(run())


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """A list: as JSON, as a table on a terminal, as lines of tab-separated values elsewhere."""
    if as_json:
        print_json([plain_row(row) for row in rows])
    elif not rows:
        say(empty)
    elif sys.stdout.isatty():
        _show_table(rows)
    else:
        print("\t".join(rows[0]))
        for row in rows:
            print("\t".join(_word(value) for value in row.values()))


def _show_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_word(value)) for value in row.values()))
    console = Console(highlight=False)
    if Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table).maximum <= console.width:
        console.print(table)
    else:
        _show_blocks(rows)


def _show_blocks(rows: Sequence[Mapping[str, Any]]) -> None:
    """For a terminal that is too narrow for the table: each row by itself, without what says nothing."""
    width = max(map(len, rows[0]))
    for number, row in enumerate(rows):
        if number:
            say("")
        for name, value in row.items():
            if value not in (None, "", ()):
                say(f"{name.replace('_', ' '):<{width}}  {_word(value)}")


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value


def _word(value: Any) -> str:
    match value:
        case None | "" | ():
            return "–"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S UTC")
        case tuple():
            return " ".join(map(str, value))
        case _:
            return "".join(char if char.isprintable() else "?" for char in str(value))
