"""Counting down: a call that lasts, reports progress and can be cancelled; and how such calls ended.

The tally is there so that a person can see at the server what cancelling at the client did.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import anyio
from mcp.server.mcpserver import Context
from pydantic import BaseModel, Field

MAX_SECONDS = 60

Seconds = Annotated[int, Field(ge=1, le=MAX_SECONDS, description=f"How long to count: 1 to {MAX_SECONDS} seconds.")]


class Tally(BaseModel):
    """The countdowns since this server started, of all its clients."""

    running: int = 0
    finished: int = 0
    cancelled: int = 0


class Countdowns:
    def __init__(self) -> None:
        self._tally = Tally()

    async def count_down(self, ctx: Context, seconds: Seconds = 5) -> str:
        """Count down to zero, reporting progress every second. It can be cancelled meanwhile."""
        with self._counted():
            for passed in range(seconds):
                await ctx.report_progress(passed, seconds, f"{seconds - passed} to go")
                await anyio.sleep(1)
            await ctx.report_progress(seconds, seconds, "done")
        return f"Counted down from {seconds}."

    def tally(self) -> Tally:
        """How many countdowns run, finished and were cancelled since this server started."""
        return self._tally.model_copy()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._tally.running += 1
        try:
            yield
        except BaseException:  # cancellation is not an Exception
            self._tally.cancelled += 1
            raise
        else:
            self._tally.finished += 1
        finally:
            self._tally.running -= 1
