"""Running until a signal: SIGTERM ends a server well (0), Ctrl-C interrupts it (130), SIGHUP reads its files again.

Before the door is open, the first two stop the start, and SIGHUP is remembered. While it is open they let what is
under way end; a second one then stops that too, unless it is the same Ctrl-C: a terminal sends it to a whole group,
and `uv run` passes it on once more. A terminal that is closed sends SIGHUP as well, when nobody is there any more.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vestibule.wiring import Running

_SAME_CTRL_C = 1.0  # seconds
_EXIT_CODES = {signal.SIGTERM: 0, signal.SIGINT: 130}


class Stopping:
    """The signals of this process. `serving` is set when the door is open; `now_runs` sets it, too."""

    def __init__(self, *, reloads: bool = False) -> None:
        """`reloads`: whether SIGHUP does; otherwise it ends the process as it ends any."""
        self._reloads = reloads and hasattr(signal, "SIGHUP")
        self.serving = False
        self._running: Running | None = None
        self._wants_reload = False
        self._had_terminal = sys.stdin is not None and sys.stdin.isatty()
        self._received: int | None = None
        self._received_at = 0.0

    def __enter__(self) -> "Stopping":
        for number in _EXIT_CODES:
            signal.signal(number, self._receive)
        if self._reloads:
            signal.signal(signal.SIGHUP, self._hang_up)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._reloads:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def now_runs(self, running: "Running") -> None:
        """The door is open: signals are its business now."""
        self.serving, self._running = True, running
        if self._wants_reload:
            running.reload()

    @property
    def exit_code(self) -> int:
        return 0 if self._received is None else _EXIT_CODES[signal.Signals(self._received)]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        again = self._received is not None and now - self._received_at > _SAME_CTRL_C
        is_first = self._received is None
        if is_first:
            self._received, self._received_at = number, now
        if again or not self.serving:
            raise SystemExit(self.exit_code)
        if is_first and self._running is not None:  # else whoever serves has handlers of its own
            self._running.stop()

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        if self._had_terminal and not _has_terminal():
            self._receive(signal.SIGTERM, frame)
        elif self._running is not None:
            self._running.reload()
        else:
            self._wants_reload = True


def _has_terminal() -> bool:
    try:
        return os.isatty(0)
    except OSError:
        return False


def run_server(work: Coroutine[Any, Any, None]) -> None:
    """asyncio.run on uvloop, where there is one."""
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
