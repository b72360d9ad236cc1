"""`vestibule config schema`: the JSON Schema of vestibule.yaml, for editors."""

import json

import typer

app = typer.Typer(help="About the configuration.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """About the configuration."""


@app.command()
def schema() -> None:
    """Print the JSON Schema of vestibule.yaml, for editors."""
    from vestibule.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
