"""Several processes on one socket: what `serve` does to have them, and what one of them has to do with the others."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from vestibule.config import Configuration
    from vestibule.wiring import Running


def supervise(configuration: "Configuration", arguments: Sequence[str]) -> NoReturn:
    """Become the supervisor of `configuration.workers` workers. Raises `StartError`.

    What could be wrong is found before, once: the port, the store (which is migrated here), the keys, the certificate.
    `arguments`: those of this program, from `serve` on; the workers are given the same.
    """
    from vestibule import wiring
    from vestibule.cli.running import run_server

    listener = wiring.listen(configuration.host, configuration.port)
    run_server(wiring.try_out(configuration))
    listener.set_inheritable(True)
    form = configuration.logging.format
    told = {
        "listener": listener.fileno(),
        "workers": configuration.workers,
        "command": [sys.executable, "-P", "-m", "vestibule", *arguments],
        "grace": configuration.http.graceful_timeout.total_seconds(),
        "form": form if form != "auto" else "console" if sys.stderr.isatty() else "json",
    }
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM, signal.SIGINT})
    supervisor = [sys.executable, "-P", "-m", "vestibule.cli.supervisor", json.dumps(told)]
    os.execv(sys.executable, supervisor)  # noqa: S606 - this very interpreter


@dataclass(frozen=True, slots=True)
class WorkerSeat:
    """What a supervisor has given this process."""

    number: int
    listener: socket.socket
    channel: socket.socket

    @classmethod
    def take(cls, told: str) -> "WorkerSeat":
        """`told`: number, socket and channel, as `--worker` says them."""
        number, listening, channel = map(int, told.split(":"))
        for descriptor in (listening, channel):
            os.set_inheritable(descriptor, False)
        listener = socket.socket(fileno=listening)
        listener.setblocking(False)
        return cls(number, listener, socket.socket(fileno=channel))

    def say(self, word: str) -> None:
        try:
            self.channel.send(f"{word}\n".encode())
        except OSError:  # nobody is there any more; `stay_with` sees that, too
            return

    def stay_with(self, running: "Running") -> None:
        """A worker does not outlive its supervisor: nobody would start it again, stop it, or tell it to reload."""
        loop = asyncio.get_running_loop()

        def heard() -> None:
            if not self.channel.recv(512):
                loop.remove_reader(self.channel.fileno())
                running.stop()

        self.channel.setblocking(False)
        loop.add_reader(self.channel.fileno(), heard)
