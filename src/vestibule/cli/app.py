"""The table of commands."""

from typing import Annotated

import typer

from vestibule.cli import check, config, demo, serve, server

app = typer.Typer(
    name="vestibule",
    help="The front door for MCP servers: puts any MCP server behind the sign-in people already have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"vestibule {version('vestibule')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The front door for MCP servers."""


app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("check")(check.check)
app.add_typer(config.app, name="config")
app.add_typer(server.app, name="server")
