"""Programs on this machine: started, looked at through /proc, and ended. Cores and file descriptors.

A proxy runs on the last core alone, and what it is measured with on the others, so that neither takes time from the
other; with one core, or where more than one worker is measured, everything runs everywhere.
"""

import os
import resource
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

_TICKS = os.sysconf("SC_CLK_TCK")
CORES = tuple(sorted(os.sched_getaffinity(0)))
ALL = frozenset(CORES)
FOR_PROXIES = frozenset(CORES[-1:])
FOR_THE_REST = frozenset(CORES[:-1]) or ALL


class Missing(Exception):
    """Something cannot be measured here, and why."""


class Program:
    """A process and all that it starts."""

    def __init__(
        self, command: Sequence[str], folder: Path, *, cores: frozenset[int], environ: Mapping[str, str] | None = None
    ) -> None:
        self.command = command
        self._log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log, on_cores(cores):
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **environ} if environ else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # what it starts can be ended with it
            )

    def wait_for(self, port: int, seconds: float = 20) -> None:
        """Until it accepts connections. Raises `Missing` with its last words."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
                return
            time.sleep(0.05)
        self.stop()
        raise Missing(f"{Path(self.command[0]).name} did not start: {self.last_words()}")

    def wait_until_ready(self, port: int, path: str, *, scheme: str = "http", seconds: float = 40) -> None:
        """Until it answers with 200 there. Raises `Missing`."""
        end = time.monotonic() + seconds
        blind = ssl.create_default_context()
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
        while time.monotonic() < end and self.is_running:
            with suppress(OSError), urlopen(f"{scheme}://127.0.0.1:{port}{path}", timeout=2, context=blind) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.1)
        self.stop()
        raise Missing(f"{Path(self.command[0]).name} is not ready: {self.last_words()}")

    def last_words(self) -> str:
        """The end of what it printed."""
        said = self._log.read_text(errors="replace").strip().splitlines()
        return said[-1][-300:] if said else "it said nothing"

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(_family(self._process.pid))

    def cpu(self) -> float:
        """Seconds that all its processes have used, from /proc/PID/stat."""
        return sum(_cpu(pid) for pid in self.pids)

    def rss(self) -> float:
        """Resident MB of all its processes."""
        return sum(_status(pid, "VmRSS") for pid in self.pids)

    def forget_peak(self) -> None:
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak(self) -> float:
        """The most MB that were resident since `forget_peak`."""
        return sum(_status(pid, "VmHWM") for pid in self.pids)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def raise_file_limit() -> int:
    """As many files as this machine lets one process have, for us and for what we start."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (65536, most):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, most)))
            return wanted
    return most


def file_limit() -> int:
    """How many files one process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """A process inherits the cores of whoever starts it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _cpu(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def _status(pid: int, name: str) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return 0.0
