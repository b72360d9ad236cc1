"""The commands, one file each. Everything heavy is imported when its command runs."""

import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: run a command. What goes wrong becomes a few plain lines and an exit code.

    0 done, 1 failed, 2 usage or configuration, 3 sign-in needed, 130 interrupted.
    """
    from vestibule.cli.app import app
    from vestibule.cli.output import explain, explain_unexpected
    from vestibule.errors import VestibuleError

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    wants_traceback = "--debug" in arguments[: arguments.index("--") if "--" in arguments else None]
    try:
        app(args=arguments, prog_name="vestibule")
    except VestibuleError as error:
        if wants_traceback:
            raise
        sys.exit(explain(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if wants_traceback:
            raise
        sys.exit(explain_unexpected(error))
    sys.exit(0)
