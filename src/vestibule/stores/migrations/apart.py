"""Migrating in a process of its own: what Alembic and its templates occupy (12 MB) goes when it is done.

The other process is `python -m vestibule.stores.migrations`. It is given the address on its standard input, never as an
argument: an address may hold a password, and everybody on a computer may read arguments. It ends with 0, or says on its
standard output what was wrong, in the fields of `StartError`.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress

from vestibule.errors import StartError

_COMMAND = (sys.executable, "-P", "-m", "vestibule.stores.migrations")  # -P: nothing from the working directory


async def migrate_apart(address: str) -> None:
    """Bring the store to this program's revision. Raises `StartError`."""
    # In a session of its own, so that Ctrl-C reaches only us, and we stop it in order.
    process = await asyncio.create_subprocess_exec(*_COMMAND, stdin=PIPE, stdout=PIPE, start_new_session=True)
    try:
        said, _ = await process.communicate(address.encode())
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()  # a migration is one transaction: nothing has changed
        await process.wait()
        raise
    if process.returncode != 0:
        raise _told(said, process.returncode)


def _told(said: bytes, exit_code: int | None) -> StartError:
    try:
        fault = json.loads(said)
        return StartError(fault["message"], action=fault["action"], detail=fault["detail"])
    except (ValueError, KeyError, TypeError):
        return StartError(
            f"The store could not be brought up to date: the process that does it ended with {exit_code}.",
            action="Run it again with --debug, and report what that prints.",
        )
