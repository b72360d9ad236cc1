"""Starting programs for tests, waiting until they are ready, stopping them by their process id."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], *, port: int, log: Path, environ: Mapping[str, str] | None = None, seconds: float = 30
) -> Iterator["subprocess.Popen[bytes]"]:
    """The program, once it listens on `port`. Its output goes to `log`, whose end is in the error if it does not."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **(environ or {})}
        )
        try:
            _wait_for(port, process, log, seconds)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.03)
    raise RuntimeError(f"{process.args!r} is not listening on {port}:\n{log.read_text('utf-8', 'replace')[-3000:]}")
