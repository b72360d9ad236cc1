"""Running until a signal: SIGTERM ends a server well (0), Ctrl-C interrupts it (130).

Uvicorn takes both signals while it serves, stops gracefully, puts our handlers back and raises the signal again: then
there is nothing left to do but to remember which one it was. Before it serves, a signal stops the start. A second one
while things are being taken down stops that too, unless it is the same Ctrl-C: a terminal sends it to a whole group,
and `uv run` passes it on once more.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine
from types import FrameType
from typing import Any

_SAME_CTRL_C = 1.0  # seconds
_EXIT_CODES = {signal.SIGTERM: 0, signal.SIGINT: 130}


class Stopping:
    """SIGTERM and SIGINT of this process. `serving` is set when the door is open."""

    def __init__(self) -> None:
        self.serving = False
        self._received: int | None = None
        self._received_at = 0.0

    def __enter__(self) -> "Stopping":
        for number in _EXIT_CODES:
            signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    @property
    def exit_code(self) -> int:
        return 0 if self._received is None else _EXIT_CODES[signal.Signals(self._received)]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        again = self._received is not None and now - self._received_at > _SAME_CTRL_C
        if self._received is None:
            self._received, self._received_at = number, now
        if again or not self.serving:
            raise SystemExit(self.exit_code)


def run_server(work: Coroutine[Any, Any, None]) -> None:
    """asyncio.run on uvloop, where there is one."""
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
