"""`vestibule check`: every fault of the configuration at once."""

import os
from pathlib import Path
from typing import Annotated

import typer

from vestibule.cli.output import explain, faults_as_json


def check(
    config: Annotated[Path | None, typer.Option("--config", help="The file; ./vestibule.yaml if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False,
    env: Annotated[bool, typer.Option("--env", help="List the environment names that are understood.")] = False,
    i_know: Annotated[bool, typer.Option("--i-know", help="Accept an upstream open to everybody.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", hidden=True)] = False,
) -> None:
    """Check the configuration: every fault with its key, the reason and the fix. Exit code 0: sound, 2: not."""
    from vestibule.config import load
    from vestibule.errors import ConfigurationError

    if env:
        _print_environment()
        return
    try:
        configuration = load(file=config, environ=os.environ, i_know=i_know)
    except ConfigurationError as error:
        if as_json:
            print(faults_as_json(error.faults))
            raise typer.Exit(error.exit_code) from None
        raise typer.Exit(explain(error)) from None
    if as_json:
        print(faults_as_json(()))
    else:
        names = ", ".join(upstream.name for upstream in configuration.upstreams)
        print(f"The configuration is sound: {configuration.public_url} before {names}.")


def _print_environment() -> None:
    from vestibule.config.sources import FOREIGN_LATER, FOREIGN_NAMES

    print("VESTIBULE_A__B=…       any key of vestibule.yaml: VESTIBULE_LISTEN, VESTIBULE_UPSTREAMS__0__URL, …")
    print("VESTIBULE_CONFIG=…     the file")
    for name, key in FOREIGN_NAMES.items():
        print(f"{name}=…  as {key}")
    print("Not in this version yet: " + ", ".join(FOREIGN_LATER))
