"""A process that only watches others: it holds the socket, starts the workers, and starts one again that has ended.

    python -P -m vestibule.cli.supervisor '{"listener": 3, "workers": 2, "command": [...], "grace": 10, "form": "json"}'

`vestibule serve --workers N` becomes this program (`workers`), so that it keeps its process id and nothing of what it
has loaded: this file imports only small parts of the standard library. It never accepts a connection. A worker says
`ready`, `reloaded` or `refused` on a socket of its own, which also tells it when this process has gone.

    SIGTERM, SIGINT   all workers end what is under way; a second one ends them at once
    SIGHUP            one worker after another reads the configuration again, until one refuses to
    a worker ends     it is started again, later each time; when none can be, this process gives up
"""

import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0  # seconds until a worker that has ended is started again
STEADY = 30.0  # seconds that a worker has to live to be taken for sound
TRIES = 10  # starts in a row without one worker that serves
RELOAD_SECONDS = 60.0
KILL_AFTER = 5.0  # seconds beyond the graceful time-out
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Worker:
    """One process."""

    def __init__(self, number: int, slot: int, pid: int, channel: socket.socket, now: float) -> None:
        self.number = number
        self.slot = slot
        self.pid = pid
        self.channel = channel
        self.started = now
        self.is_ready = False
        self.reload_when_ready = False


class Supervisor:
    """All times are of the monotonic clock."""

    def __init__(self, *, listener: int, workers: int, command: list[str], grace: float, form: str) -> None:
        self.listener = listener
        self.command = command
        self.grace = grace
        self.form = form
        self.workers: dict[int, Worker] = {}  # by process id
        self.due: dict[int, float] = dict.fromkeys(range(workers), 0.0)  # slots to be filled: when
        self.delays: dict[int, float] = {}
        self.started = 0
        self.failures = 0  # starts in a row that came to nothing
        self.size = workers
        self.has_served = False
        self.had_terminal = os.isatty(0)  # when it is closed, SIGHUP means that nobody is there any more
        self.exit_code: int | None = None  # set while it ends
        self.kill_at = float("inf")
        self.reloading: list[Worker] = []  # the first one is at it
        self.reload_until = float("inf")

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Returns the exit code."""
        signals = _catch_signals()
        while self.exit_code is None or self.workers:
            self.fill(time.monotonic())
            channels = {worker.channel: worker for worker in self.workers.values()}
            readable, _, _ = select.select([signals, *channels], [], [], self.patience(time.monotonic()))
            for one in readable:
                if one is signals:
                    for number in signals.recv(512):
                        self.signalled(number)
                else:
                    self.hear(channels[one])
            self.look(time.monotonic())
        return self.exit_code

    def patience(self, now: float) -> float:
        """Seconds until something has to be done although nobody called."""
        nearest = min([self.kill_at, self.reload_until, *self.due.values()])
        return min(max(nearest - now, 0.0), 3600.0)

    def look(self, now: float) -> None:
        if now >= self.kill_at:
            self.kill_at = float("inf")
            self.log("workers_killed", level="error", pids=[worker.pid for worker in self.workers.values()])
            self.send(signal.SIGKILL)
        if now >= self.reload_until and self.reloading:
            self.log("reload_takes_too_long", level="error", worker=self.reloading[0].number)
            self.end_reload()

    # --- starting ---------------------------------------------------------------------------------------------------

    def fill(self, now: float) -> None:
        """Start what is due."""
        if self.exit_code is not None:
            self.due.clear()
        for slot in [slot for slot, due in self.due.items() if due <= now]:
            del self.due[slot]
            self.start(slot, now)

    def start(self, slot: int, now: float) -> None:
        self.started += 1
        ours, theirs = socket.socketpair()
        theirs.set_inheritable(True)
        told = f"{self.started}:{self.listener}:{theirs.fileno()}"
        at = self.command.index("serve") + 1
        command = [*self.command[:at], "--worker", told, *self.command[at:]]
        # A group of its own: a terminal's Ctrl-C is for this process, which passes it on in order.
        pid = os.posix_spawn(command[0], command, os.environ, setpgroup=0, setsigmask=(), setsigdef=_HANDLED)
        theirs.close()
        self.workers[pid] = Worker(self.started, slot, pid, ours, now)
        self.log("worker_started", worker=self.started, pid=pid)

    # --- what is heard ----------------------------------------------------------------------------------------------

    def signalled(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self.reap()
        elif number == signal.SIGHUP and self.had_terminal == os.isatty(0):
            self.begin_reload()
        elif self.exit_code is None:
            self.stop(130 if number == signal.SIGINT else 0)
        else:
            self.send(signal.SIGTERM)
            self.kill_at = min(self.kill_at, time.monotonic() + 1.0)

    def hear(self, worker: Worker) -> None:
        try:
            words = worker.channel.recv(512).decode().split()
        except OSError:
            words = []
        for word in words:
            if word == "ready":
                worker.is_ready = self.has_served = True
                self.failures = 0
                self.log("worker_ready", worker=worker.number, pid=worker.pid)
                if worker.reload_when_ready:
                    os.kill(worker.pid, signal.SIGHUP)
            elif self.reloading and self.reloading[0] is worker:
                self.reload_answered(word)

    # --- ending -----------------------------------------------------------------------------------------------------

    def stop(self, exit_code: int) -> None:
        self.exit_code = exit_code
        self.end_reload()
        self.kill_at = time.monotonic() + self.grace + KILL_AFTER
        os.close(self.listener)  # the workers take what waits there; nothing new is to come to it
        self.send(signal.SIGTERM)

    def send(self, number: int) -> None:
        for worker in self.workers.values():
            os.kill(worker.pid, number)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (worker := self.workers.pop(pid, None)) is not None:
                self.ended(worker, os.waitstatus_to_exitcode(status), time.monotonic())

    def ended(self, worker: Worker, exit_code: int, now: float) -> None:
        worker.channel.close()
        if worker in self.reloading:
            self.reload_without(worker)
        if self.exit_code is not None:
            if exit_code not in (0, 130, -signal.SIGTERM, -signal.SIGINT):
                self.log("worker_ended", level="error", worker=worker.number, pid=worker.pid, exit_code=exit_code)
                self.exit_code = self.exit_code or 1
            return
        self.failures += not worker.is_ready
        lived = now - worker.started
        delay = FIRST_DELAY if lived > STEADY else min(self.delays.get(worker.slot, FIRST_DELAY / 2) * 2, LONGEST_DELAY)
        self.delays[worker.slot] = delay
        facts = {"worker": worker.number, "pid": worker.pid, "exit_code": exit_code, "after_seconds": round(lived, 1)}
        if self.is_hopeless():
            self.log("worker_ended", level="error", **facts)
            self.log("no_worker_can_start", level="error", starts=self.failures, action="see what the workers said")
            self.stop(exit_code if exit_code in (1, 2) else 1)
            return
        self.log("worker_ended", level="error", **facts, again_in_seconds=delay)
        self.due[worker.slot] = now + delay

    def is_hopeless(self) -> bool:
        if any(worker.is_ready for worker in self.workers.values()):
            return False
        return self.failures >= (TRIES if self.has_served else self.size)

    # --- reload -----------------------------------------------------------------------------------------------------

    def begin_reload(self) -> None:
        """Everybody once more, also who is at it: it may have read the file before it was changed."""
        if self.exit_code is not None:
            return
        self.reloading = sorted(self.workers.values(), key=lambda worker: worker.number)
        self.ask_next()

    def ask_next(self) -> None:
        if not self.reloading:
            self.reload_until = float("inf")
            return
        self.reload_until = time.monotonic() + RELOAD_SECONDS
        worker = self.reloading[0]
        if worker.is_ready:
            os.kill(worker.pid, signal.SIGHUP)
        else:
            worker.reload_when_ready = True

    def reload_answered(self, word: str) -> None:
        worker = self.reloading.pop(0)
        if word != "reloaded":
            self.log("reload_refused", level="error", worker=worker.number, not_asked=len(self.reloading))
            self.end_reload()
            return
        if not self.reloading:
            self.log("reloaded", workers=len(self.workers))
        self.ask_next()

    def reload_without(self, worker: Worker) -> None:
        was_at_it = self.reloading[0] is worker
        self.reloading.remove(worker)
        if was_at_it:
            self.ask_next()

    def end_reload(self) -> None:
        self.reloading = []
        self.reload_until = float("inf")

    # --- the log ----------------------------------------------------------------------------------------------------

    def log(self, event: str, *, level: str = "info", **facts: Any) -> None:
        """As the workers write theirs (`vestibule.telemetry.logs`, which is too large for this process)."""
        now = time.time()
        at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1e6):06d}Z"
        if self.form == "json":
            line = json.dumps({"timestamp": at, "level": level, "logger": "supervisor", "event": event, **facts})
        else:
            told = " ".join(f"{name}={value}" for name, value in facts.items())
            line = f"{at} [{level:<8}] {event:<24} {told} logger=supervisor"
        with suppress(OSError):  # nobody reads it; that is no reason to let the workers alone
            os.write(2, f"{line}\n".encode())


def _catch_signals() -> socket.socket:
    """Each signal becomes a byte that can be waited for."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    for number in _HANDLED:
        signal.signal(number, lambda number, frame: None)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # blocked while this program was being started
    return reading


if __name__ == "__main__":
    sys.exit(Supervisor(**json.loads(sys.argv[1])).run())
