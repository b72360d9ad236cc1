"""The table of commands."""

import sys
from typing import Annotated

import typer

from vestibule.cli import access, apikey, audit, check, config_schema, demo, key, policy, serve, server, tenant

app = typer.Typer(
    name="vestibule",
    help="The front door for MCP servers: puts any MCP server behind the sign-in people already have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print_version()
        raise typer.Exit


def print_version() -> None:
    """Print the version."""
    from vestibule import __version__

    print(f"vestibule {__version__}")


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
app.add_typer(config_schema.app, name="config")
app.add_typer(server.app, name="server")
app.add_typer(key.app, name="key")
app.add_typer(policy.app, name="policy")
app.add_typer(access.clients, name="client")
app.add_typer(access.grants, name="grant")
app.add_typer(access.users, name="user")
app.add_typer(apikey.app, name="apikey")
app.add_typer(tenant.app, name="tenant")
app.add_typer(audit.app, name="audit")
app.command("version")(print_version)
