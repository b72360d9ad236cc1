"""What people read: errors as what happened, why, and what to do. Rich on a terminal, plain elsewhere.

Errors go to stderr, results to stdout. Rich is imported only where a terminal shows it: a gateway has no use for it.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from vestibule.errors import ConfigurationError, Fault, StartError, VestibuleError


def say(text: str, *, style: str = "", stream: TextIO | None = None) -> None:
    """One line. What it says is never read as markup, and control characters are shown, not sent."""
    stream = stream or sys.stdout
    text = "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
    if style and stream.isatty():
        from rich.console import Console
        from rich.text import Text

        Console(file=stream, highlight=False, soft_wrap=True).print(Text(text, style=style))
    else:
        print(text, file=stream, flush=True)


def explain(error: VestibuleError) -> int:
    """Print an error for a person; returns the exit code."""
    if isinstance(error, ConfigurationError):
        list_faults(error.faults, stream=sys.stderr)
        return error.exit_code
    say(f"vestibule: {error.message}", style="bold red", stream=sys.stderr)
    if error.detail and error.detail not in error.message:
        say(f"  why: {error.detail}", stream=sys.stderr)
    if error.action:
        say(f"  do: {error.action}", style="green", stream=sys.stderr)
    return error.exit_code if isinstance(error, StartError) else 1


def explain_unexpected(error: Exception) -> int:
    say("vestibule: something went wrong that nobody foresaw.", style="bold red", stream=sys.stderr)
    say(f"  why: {type(error).__name__} (what it says may hold a secret, so it is not shown)", stream=sys.stderr)
    say("  do: run it again with --debug, and report what that prints.", style="green", stream=sys.stderr)
    return 1


def list_faults(faults: Sequence[Fault], *, stream: TextIO) -> None:
    """A line for each: the key, where it stands, what is wrong, what to do."""
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    say(f"vestibule: the configuration cannot be used: {count}.", style="bold red", stream=stream)
    for fault in faults:
        source = f" ({fault.source})" if fault.source and fault.source != fault.key else ""
        say(f"  {fault.key}{source}: {fault.reason}. Fix: {fault.fix}", style="yellow", stream=stream)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def fault_as_json(fault: Fault) -> dict[str, str]:
    return {"key": fault.key, "reason": fault.reason, "fix": fault.fix, "source": fault.source}
