"""The commands, one file each. Everything heavy is imported when its command runs."""

import sys

from vestibule.cli.app import app
from vestibule.cli.output import explain
from vestibule.errors import VestibuleError

__all__ = ["app", "main"]


def main() -> None:
    """The entry point: runs a command; an error of ours becomes a few plain lines and an exit code."""
    try:
        app()
    except VestibuleError as error:
        if "--debug" in sys.argv:
            raise
        sys.exit(explain(error))
    except KeyboardInterrupt:
        sys.exit(130)
