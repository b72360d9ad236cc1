"""`vestibule policy test`: whether the rules decide as their examples say."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestibule.cli.output import fault_as_json, print_json, say

if TYPE_CHECKING:
    from vestibule.policy.examples import Result
    from vestibule.wiring.policy_examples import Tested

app = typer.Typer(help="Rules about who may do what.", no_args_is_help=True)


@app.callback()
def policy() -> None:
    """Rules about who may do what."""


@app.command("test")
def run(
    file: Annotated[Path, typer.Argument(help="A policy with examples, or a file of examples that names one.")],
    config: Annotated[
        Path | None, typer.Option("--config", help="A configuration, whose upstreams, scopes and tenants count too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", hidden=True)] = False,
) -> None:
    """Run the examples of a policy. Exit code 0: all as expected, 1: not, 2: the policy cannot be used."""
    from vestibule.errors import ConfigurationError
    from vestibule.wiring.policy_examples import run_examples

    try:
        tested = run_examples(file, config, os.environ)
    except ConfigurationError as error:
        if not as_json:
            raise
        print_json({"passed": False, "faults": [fault_as_json(one) for one in error.faults]})
        raise typer.Exit(error.exit_code) from None
    if as_json:
        print_json(_as_json(tested))
    else:
        _print(tested)
    raise typer.Exit(0 if tested.passed else 1)


def _print(tested: "Tested") -> None:
    width = max((len(one.example.name) for one in tested.results), default=0)
    for one in tested.results:
        mark, style = ("ok  ", "") if not one.wrong else ("FAIL", "bold red")
        say(f"{mark}  {one.example.name:<{width}}  {one.decided:<5}  {_by(one)}", style=style)
        if one.wrong:
            say(f"      {one.wrong}; {_by(one)} decided {one.decided}: {one.why}", style="yellow")
    for rule in tested.unused:
        say(f"note: no example shows what the rule {rule} does", style="yellow")
    if not tested.results:
        say("There are no examples in it.", style="bold red", stream=sys.stderr)
        return
    failed = sum(bool(one.wrong) for one in tested.results)
    count = len(tested.results)
    text = f"{count - failed} of {count} as expected." if failed else f"All {count} as expected."
    say(text, style="bold red" if failed else "bold green")


def _by(one: "Result") -> str:
    if one.missing:
        return f"scopes (missing {' '.join(one.missing)})"
    return one.rule if one.code in ("", "POLICY_DENIED") else one.code


def _as_json(tested: "Tested") -> dict[str, Any]:
    return {
        "passed": tested.passed,
        "examples": [
            {
                "name": one.example.name,
                "passed": not one.wrong,
                "expected": one.example.expect,
                "decided": one.decided,
                "rule": one.rule,
                "code": one.code,
                "missing": list(one.missing),
                "why": one.why,
                "wrong": one.wrong,
            }
            for one in tested.results
        ],
        "unused_rules": list(tested.unused),
    }
