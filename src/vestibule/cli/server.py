"""`vestibule server …`: the MCP servers in the box."""

from typing import Annotated

import typer

app = typer.Typer(help="The MCP servers in the box.", no_args_is_help=True)


@app.callback()
def server() -> None:
    """The MCP servers in the box."""


@app.command()
def demo(
    http: Annotated[int | None, typer.Option("--http", help="Serve streamable HTTP on this port of loopback.")] = None,
    stdio: Annotated[bool, typer.Option("--stdio", help="Speak on standard input and output (the default).")] = False,
) -> None:
    """A sample server: tools, resources, prompts, progress, elicitation. It knows nothing of sign-in."""
    import asyncio

    from vestibule.errors import StartError
    from vestibule.servers.demo import run as sample

    if http is None:
        asyncio.run(sample.serve_stdio())
        return
    try:
        asyncio.run(sample.serve_http(host="127.0.0.1", port=http))
    except OSError as error:
        raise StartError(
            f"Cannot listen on 127.0.0.1:{http}: {error.strerror or error}.", action="Choose another port with --http."
        ) from error
